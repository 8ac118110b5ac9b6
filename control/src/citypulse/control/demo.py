"""`make demo`: tweets through the whole pipeline in a run of their own, and the proof of their numbers."""

from __future__ import annotations

from pathlib import Path

from citypulse.control import fresh, grafana, prove, result
from citypulse.control.archives.building import build
from citypulse.control.demand import Demand
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.runs import DEMO, DEMO_TRIGGER_S, Fed, feed, lines_of, load_fed
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
        console.print(f"      {grafana.sentence(inst)}", soft_wrap=True, markup=False, highlight=False)
    goes_on = bool(fed.truths)
    with steps.step(f"run `{DEMO}`: " + ("goes on with the last one" if goes_on else "starts fresh")):
        if not goes_on:
            fresh.remove(inst, DEMO)
        fed, truth = fresh.begin(inst, DEMO, list(what.countries), fed)
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
