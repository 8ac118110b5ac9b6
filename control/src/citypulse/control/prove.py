"""Proves a run: two ledgers and a recount that shares no counting with the job."""

from __future__ import annotations

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.runs import command, fed_truths, load_fed
from citypulse.control.services import services
from citypulse.control.steps import console
from citypulse.control.watch import Watch


def prove(inst: Installation, run: str) -> None:
    """Hold journal and what was sent against the topic, and the tables against a recount of what was sent.

    Raises `Fault` with the worst exit code where one of them does not hold.
    """
    known = sorted(path.name.removeprefix("producer-") for path in (inst.home / "etc").glob("producer-*"))
    if run not in known:
        there = ", ".join(known) or "none: `make demo` makes one"
        raise Fault(f"RUN={run} is not a run here; there are: {there}.", Exit.BAD_INPUT)
    if not any(service.pid and service.name.startswith("kafka") for service in services(inst)):
        raise Fault("The servers are stopped, so nothing can be verified: `make up` starts them.")
    label = "" if run == "live" else run
    if label and Watch(inst, label, ["tweets"]).feeding():
        raise Fault(f"The run `{run}` is still being fed: verify it when its tweets have come to their end.")
    fed = load_fed(inst, label)
    paths = [str(path) for path in fed_truths(inst, label)]
    if fed.truths and not paths:
        raise Fault(f"Nothing was fed to the run `{run}` yet: `make demo` does.", Exit.BAD_INPUT)
    truths = [argument for path in paths for argument in ("--truth", path)]
    tweets = [argument for path in paths for argument in ("--tweets", path)]
    if len(fed.countries) == 1 and fed.countries != ["all"]:
        tweets += ["--place-country", fed.countries[0]]

    console.print(
        "[bold]Ledgers[/bold]: what was journaled" + (" and sent" if truths else "") + ", held against Kafka"
    )
    codes = [command(inst, f"producer-{run}", "citypulse-producer", "ledger", *truths)]
    if truths:
        console.print("[bold]Recount[/bold]: the tables against a recount of what was sent, cell by cell")
        codes.append(command(inst, f"spark-job-{run}", "citypulse-spark", "verify", *tweets))
    else:
        console.print("Nothing was written down of what X sent: the tables were not recounted.")
    failed = [code for code in codes if code]
    if failed:
        # A signal that ended one of them is no proof either; its code is negative.
        code = next((Exit(code) for code in failed if code in list(Exit)), Exit.FAULT)
        raise Fault(f"The run `{run}` does not hold: see above.", code)
