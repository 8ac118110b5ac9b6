"""Proves a run: two ledgers and two recounts that share no counting with the job."""

from __future__ import annotations

import tomllib

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.runs import command, fed_truths, load_fed
from citypulse.control.services import services
from citypulse.control.steps import console
from citypulse.control.watch import Watch

COUNTED_S = 60.0
"""How long a proof waits for the job to count what is in the topics already."""


def prove(inst: Installation, run: str) -> None:
    """Hold journal and what was sent against the topic, and the tables against recounts of the topic and of
    what was sent.

    Raises `Fault` with the worst exit code where one of them does not hold.
    """
    known = sorted(path.name.removeprefix("producer-") for path in (inst.home / "etc").glob("producer-*"))
    if run not in known:
        there = ", ".join(known) or "none: `make demo` makes one"
        raise Fault(f"RUN={run} is not a run here; there are: {there}.", Exit.BAD_INPUT)
    if not any(service.pid and service.name.startswith("kafka") for service in services(inst)):
        raise Fault("The servers are stopped, so nothing can be verified: `make up` starts them.")
    label = "" if run == "live" else run
    if label:
        _wait_for(inst, label)
    fed = load_fed(inst, label)
    paths = [str(path) for path in fed_truths(inst, label)]
    if fed.truths and not paths:
        raise Fault(f"Nothing was fed to the run `{run}` yet: `make demo` does.", Exit.BAD_INPUT)
    truths = [argument for path in paths for argument in ("--truth", path)]
    tweets = [argument for path in paths for argument in ("--tweets", path)]
    if len(fed.countries) == 1 and fed.countries != ["all"]:
        tweets += ["--place-country", fed.countries[0]]
    if _follows_retweets(inst, run):
        tweets += ["--retweets"]

    console.print(
        "[bold]Ledgers[/bold]: what was journaled" + (" and sent" if truths else "") + ", held against Kafka"
    )
    codes = [command(inst, f"producer-{run}", "citypulse-producer", "ledger", *truths)]
    console.print("[bold]Recount[/bold]: the tables against a recount of the topic, cell by cell")
    # Live it never ends: what the job has not counted yet is told apart.
    wait = ["--wait", f"{COUNTED_S:.0f}"] if label else []
    told = inst.home / "var" / "node-exporter"
    if told.is_dir():
        wait += ["--metrics", str(told / f"verify-{run}.prom")]
    codes.append(command(inst, f"spark-job-{run}", "citypulse-spark", "verify", "--topic", *wait))
    if truths:
        console.print("[bold]Recount[/bold]: the tables against a recount of what was sent, cell by cell")
        codes.append(command(inst, f"spark-job-{run}", "citypulse-spark", "verify", *tweets))
    else:
        console.print("Nothing was written down of what X sent: the tables were not held against that.")
    failed = [code for code in codes if code]
    if failed:
        # A signal that ended one of them is no proof either; its code is negative.
        code = next((Exit(code) for code in failed if code in list(Exit)), Exit.FAULT)
        raise Fault(f"The run `{run}` does not hold: see above.", code)


def _follows_retweets(inst: Installation, run: str) -> bool:
    config = inst.home / "etc" / f"producer-{run}" / "config.toml"
    if not config.exists():
        return False
    return bool(tomllib.loads(config.read_text()).get("retweets", {}).get("enabled", False))


def _wait_for(inst: Installation, run: str) -> None:
    """What is still on its way would be told as missing from the tables."""
    watch = Watch(inst, run, ["tweets"])
    if watch.feeding():
        raise Fault(f"The run `{run}` is still being fed: verify it when its tweets have come to their end.")
    if not any(service.pid and service.name == f"spark-job-{run}" for service in services(inst)):
        return
    progress = watch.until_counted(COUNTED_S)
    if not progress.caught_up:
        raise Fault(
            f"The run `{run}` is still being counted ({progress.counted:,} of {progress.in_kafka:,}):"
            " verify it when that has come to its end."
        )
