"""`make demo`: tweets through the whole pipeline in a run of their own, and the proof of their numbers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from citypulse.control import prove, result
from citypulse.control.archives.building import build
from citypulse.control.demand import Demand
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.runs import DEMO, DEMO_TRIGGER_S, Fed, feed, lines_of, load_fed, save_fed
from citypulse.control.servers import bring_up, check_machine
from citypulse.control.source import Source, source
from citypulse.control.steps import Steps, console
from citypulse.control.watch import Watch


def demo(inst: Installation, demand: Demand) -> None:
    """Set up, start, feed, wait, verify, show. Raises `Fault` where anything of it fails."""
    steps = Steps(7)
    fed = _kept(inst, demand) if demand.keep else Fed()
    what = source(demand)
    check_machine(inst)
    console.print(f"citypulse demo: {what.title}", markup=False)
    if fed.truths:
        console.print(f"It goes on with the last one and its rule: {', '.join(fed.countries)}", markup=False)

    with steps.step("archives: servers' jars and services' wheels, checked against their locks"):
        build(inst.checkout, inst.home, inst.cache)
    with steps.step("servers: ZooKeeper 2, Kafka 2, Cassandra, Spark master and workers"):
        bring_up(inst, if_changed=True)
    goes_on = bool(fed.truths)
    with steps.step(f"run `{DEMO}`: " + ("goes on with the last one" if goes_on else "starts fresh")):
        if not goes_on:
            _remove(inst)
        truth = _next_truth(inst)
        # What is fed is somebody's capture, with all that people said.
        truth.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # From here on the run knows of it, whatever interrupts the next steps.
        truth.touch()
        fed = Fed(fed.countries or list(what.countries), [*fed.truths, str(truth)])
        save_fed(inst, DEMO, fed)
        play(inst, "run", _variables(what, fed, truth))

    sent_before = sum(lines_of(Path(path)) for path in fed.truths[:-1])
    watch = Watch(inst, DEMO, ["tweets"], sent_before)
    with steps.step("feed: X's own protocol, from replay to the producer"):
        watch.until_sent()
    with steps.step("wait: journal drained, topics processed to their ends"):
        watch.until_arrived()
    with steps.step("verify: ledgers and recount"):
        prove.prove(inst, DEMO)
    with steps.step("show"):
        result.show(inst, DEMO)
    console.print(f"The demo took {steps.elapsed:.0f} s.")


def _kept(inst: Installation, demand: Demand) -> Fed:
    """What the last demo was fed with. Its rule stays: a place without a country takes the rule's."""
    fed = load_fed(inst, DEMO)
    if fed.truths and demand.countries and sorted(demand.countries) != sorted(fed.countries):
        raise Fault(
            f"COUNTRIES={' '.join(demand.countries)} cannot be used: KEEP=1 goes on with the rule of the last"
            f" demo, which is {' '.join(fed.countries)}; leave COUNTRIES out, or KEEP.",
            Exit.BAD_INPUT,
        )
    return fed


def _next_truth(inst: Installation) -> Path:
    return inst.run_dir(DEMO) / f"truth-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.jsonl"


def _remove(inst: Installation) -> None:
    """Everything of the last demo: services, topics, keyspace, checkpoint, journal, truth."""
    # First of all: half of a run is not to be gone on with.
    (inst.run_dir(DEMO) / "fed.json").unlink(missing_ok=True)
    play(inst, "run_remove", {"citypulse_run": DEMO})
    shutil.rmtree(inst.run_dir(DEMO), ignore_errors=True)


def _variables(what: Source, fed: Fed, truth: Path) -> dict[str, object]:
    return {
        "citypulse_run": DEMO,
        "producer_feeds": [feed(tuple(fed.countries))],
        # The ledger goes over the whole run.
        "producer_journal_keep_hours": 24,
        "replay_config": {**what.replay, "play": {**what.replay["play"], "truth": str(truth)}},
        "spark_job_trigger_seconds": DEMO_TRIGGER_S,
        "spark_job_tick_seconds": DEMO_TRIGGER_S,
    }
