"""`make demo`: tweets through the whole pipeline in a run of their own, and the proof of their numbers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from citypulse.control import prove, result
from citypulse.control.archives.building import build
from citypulse.control.demand import Demand
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
    what = source(demand)
    check_machine(inst)
    console.print(f"citypulse demo: {what.title}", markup=False)

    with steps.step("archives: servers' jars and services' wheels, checked against their locks"):
        build(inst.checkout, inst.home, inst.cache)
    with steps.step("servers: ZooKeeper 2, Kafka 2, Cassandra, Spark master and workers"):
        bring_up(inst)
    fed, truth = _next_feed(inst, demand)
    with steps.step(f"run `{DEMO}`: " + ("goes on with the last one" if fed.truths[:-1] else "starts fresh")):
        if not fed.truths[:-1]:
            _remove(inst)
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


def _next_feed(inst: Installation, demand: Demand) -> tuple[Fed, Path]:
    """What the run will have been fed with, and the truth file of this feed."""
    fed = load_fed(inst, DEMO) if demand.keep else Fed()
    truth = inst.run_dir(DEMO) / f"truth-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.jsonl"
    return Fed(countries=fed.countries, truths=[*fed.truths, str(truth)]), truth


def _remove(inst: Installation) -> None:
    """Everything of the last demo: services, topics, keyspace, checkpoint, journal, truth."""
    play(inst, "run_remove", {"citypulse_run": DEMO})
    shutil.rmtree(inst.run_dir(DEMO), ignore_errors=True)


def _variables(what: Source, fed: Fed, truth: Path) -> dict[str, object]:
    fed.countries = sorted({*fed.countries, *what.countries})
    return {
        "citypulse_run": DEMO,
        "producer_feeds": [feed(tuple(fed.countries))],
        "replay_config": {**what.replay, "play": {**what.replay["play"], "truth": str(truth)}},
        "spark_job_trigger_seconds": DEMO_TRIGGER_S,
    }
