"""`make loadtest`: set up, start, load, wait, verify, report."""

from __future__ import annotations

import json
import math
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import msgspec

from citypulse.control import fresh, prove
from citypulse.control.archives.building import build
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.loadtest import environment, footprint, limits, measured, report, summary, verdict
from citypulse.control.loadtest.asked import Asked
from citypulse.control.loadtest.limits import Limit
from citypulse.control.loadtest.result import Arrival, Result
from citypulse.control.loadtest.sending import sending
from citypulse.control.metrics import quantile, scrape
from citypulse.control.playbook import OWN_SERVICES, play
from citypulse.control.runs import DEMO_TRIGGER_S, Fed, feed
from citypulse.control.servers import bring_up, check_machine
from citypulse.control.services import services, stop
from citypulse.control.steps import Steps, console
from citypulse.control.watch import Progress, Watch

LOAD = "load"
SENDER = "locust"
"""How the sender is called among the processes; nothing limits it."""

_CONNECTED_S = 120.0
_FRESHNESS = {"50 %": 0.5, "95 %": 0.95, "99 %": 0.99}


def loadtest(inst: Installation, asked: Asked) -> None:
    """Set up, start, load, wait, verify, report. Raises `Fault` where anything is not as it should be."""
    allowed = limits.read(inst)
    if asked.last:
        path = _last(inst)
        _judge(msgspec.json.decode(path.read_bytes(), type=Result), allowed, path.with_suffix(".html"))
        return
    steps = Steps(7)
    check_machine(inst)
    console.print(
        f"citypulse load test: {asked.rate:,g} generated tweets a second for {asked.seconds:,.0f} s, whatever"
        " becomes of those before"
    )
    with steps.step("archives: servers' jars, services' wheels, and locust in an environment of its own"):
        build(inst.checkout, inst.home, inst.cache)
        locust = environment.ready(inst)
    with steps.step("servers: ZooKeeper 2, Kafka 2, Cassandra, Spark master and workers, Prometheus"):
        bring_up(inst, if_changed=True)
    with steps.step(f"run `{LOAD}`: starts fresh"):
        _let_others_stand(inst)
        fresh.remove(inst, LOAD)
        fed, truth = fresh.begin(inst, LOAD, ["all"], Fed())
        play(inst, "run", _variables(fed, truth))
        _wait_until_connected(inst)
    result = _measure(inst, asked, locust, steps)
    with steps.step("report"):
        _stop(inst, LOAD)
        path = _save(inst, result)
        console.print(f"The load test took {steps.elapsed:.0f} s.")
        _judge(result, allowed, path.with_suffix(".html"))


def _measure(inst: Installation, asked: Asked, locust: Path, steps: Steps) -> Result:
    watch = Watch(inst, LOAD, ["tweets"])
    directory = inst.run_dir(LOAD)
    pids: dict[str, int] = {}

    def roots() -> Mapping[str, int]:
        return {**{one.name: one.pid for one in services(inst) if one.pid}, **pids}

    with footprint.told(inst.home / "var" / "node-exporter", roots):
        with steps.step("load: from locust into replay, and X's own way from there"):
            measured.wait_for_scrape(inst, time.time())
            with sending(inst, locust, asked, directory) as at_work:
                pids[SENDER] = at_work.pid
                sent = at_work.follow()
                then = watch.look()
            began, left = sent.began, sent.began + sent.by_second[-1].at
        with steps.step("wait: journal drained, topics processed to their ends"):
            arrived = watch.until_arrived()
            ended = time.time()
            fresh_s = _freshness(inst)
            measured.wait_for_scrape(inst, ended)
        with steps.step("verify: ledgers and recount"):
            proof = _proof(inst)
    return Result(
        rate=asked.rate,
        seconds=asked.seconds,
        began=began,
        lasted_s=ended - began,
        revision=_revision(inst),
        sending=sent,
        arrival=_arrival(then, arrived, ended - left),
        # The last posts may have been counted since the last scrape before the end.
        flow=measured.flow(inst, began, time.time()),
        freshness_s=fresh_s,
        proof=proof,
        processes=measured.processes(inst, began, ended),
        heaps=measured.heaps(inst, began, ended),
        machine=measured.machine(inst, began, ended),
    )


def _judge(result: Result, allowed: Mapping[str, Limit], path: Path) -> None:
    """Show the result and write its report. Raises `Fault` with the first of what is not as it should be."""
    used = verdict.footprints(result.processes, allowed)
    faults = verdict.faults(result, allowed)
    summary.show(result, used)
    report.write(path, result, used, faults)
    console.print(f"Report: {path}")
    if faults:
        *others, last = reversed(faults)
        raise Fault(last, Exit.FAULT, detail="\n".join(f"citypulse: {sentence}" for sentence in others))
    console.print(f"[green]It passes[/green]; `make verify RUN={LOAD}` proves its numbers again.")


def _arrival(then: Progress, arrived: Progress, drained_s: float) -> Arrival:
    return Arrival(
        delivered=arrived.sent,
        in_kafka=arrived.in_kafka,
        counted=arrived.counted,
        journal_backlog=max(0, then.backlog),
        kafka_backlog=max(0, arrived.in_kafka - then.counted),
        drained_s=drained_s,
    )


def _variables(fed: Fed, truth: Path) -> dict[str, object]:
    return {
        "citypulse_run": LOAD,
        "producer_feeds": [feed(tuple(fed.countries))],
        # The ledger goes over the whole run.
        "producer_journal_keep_hours": 24,
        "replay_config": {"source": {"ingest": True}, "play": {"truth": str(truth)}},
        "spark_job_trigger_seconds": DEMO_TRIGGER_S,
        "spark_job_tick_seconds": DEMO_TRIGGER_S,
    }


def _let_others_stand(inst: Installation) -> None:
    """Stop the services of other named runs, which have the same ports; their data stay."""
    kinds = tuple(f"{kind}-" for kind in OWN_SERVICES)
    ours = [one for one in services(inst) if one.pid and one.name.startswith(kinds)]
    runs = {one.name.removeprefix(next(kind for kind in kinds if one.name.startswith(kind))) for one in ours}
    for run in sorted(runs - {"live", LOAD}):
        console.print(f"      the run `{run}` stands still from now on; its data stay")
        _stop(inst, run)


def _stop(inst: Installation, run: str) -> None:
    known = {one.name for one in services(inst)}
    for name in (f"{kind}-{run}" for kind in ("producer", "spark-job", "replay")):
        if name in known:
            stop(inst, name)


def _wait_until_connected(inst: Installation) -> None:
    """Posts that come while nobody is connected are gone, as on X."""
    until = time.monotonic() + _CONNECTED_S
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://{inst.address(8900)}/status", timeout=10) as answer:
            if any(stream["rules"] for stream in json.load(answer)["streams"]):
                return
        time.sleep(0.5)
    raise Fault(
        f"The producer has no stream from replay after {_CONNECTED_S:.0f} s:"
        f" make logs SERVICE=producer-{LOAD} says why."
    )


def _freshness(inst: Installation) -> dict[str, float | None]:
    """In seconds, from what the job tells; what is beyond its last bound has no number."""
    samples = scrape(inst.run_address(LOAD, 9302))
    found = {
        name: quantile(samples, "citypulse_spark_freshness_seconds", q) for name, q in _FRESHNESS.items()
    }
    return {name: None if value is None or math.isinf(value) else value for name, value in found.items()}


def _proof(inst: Installation) -> str:
    """Empty where the run holds, else the sentence that says that it does not."""
    try:
        prove.prove(inst, LOAD)
    except Fault as fault:
        console.print(f"[red]{fault.sentence}[/red]")
        return fault.sentence
    return ""


def _revision(inst: Installation) -> str:
    """The commit of the checkout, empty where it is none."""
    command = ["git", "-C", str(inst.checkout), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _save(inst: Installation, result: Result) -> Path:
    """Keep the result as JSON; its file."""
    moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(result.began))
    path = inst.home / "reports" / f"loadtest-{moment}-{result.rate:g}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode(result))
    return path


def _last(inst: Installation) -> Path:
    known = sorted((inst.home / "reports").glob("loadtest-*.json"))
    if not known:
        raise Fault(
            "LAST=1 cannot be used: there was no load test here; make loadtest makes one.", Exit.BAD_INPUT
        )
    return known[-1]
