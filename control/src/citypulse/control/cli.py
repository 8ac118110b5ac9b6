"""The commands behind make: `citypulse-control`, one subcommand per target."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from typing import NoReturn

import click

from citypulse.control import clean, demand, grafana, installation, live, prove, services, status
from citypulse.control import demo as demo_
from citypulse.control.archives.building import build
from citypulse.control.exclusive import exclusive
from citypulse.control.faults import Exit, Fault
from citypulse.control.loadtest import asked as asked_
from citypulse.control.loadtest import command as loadtest_
from citypulse.control.servers import bring_up, check_machine
from citypulse.control.steps import console
from citypulse.control.variables import user_variables

_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Runs citypulse on this machine. Each command is a make target; variables come from the environment.

    \b
    Examples:
      make demo
      make demo TWEETS=capture.jsonl COUNTRIES="CA GB"
      make demo RATE=2000 DURATION=3m
      X_BEARER_TOKEN_FILE=token COUNTRIES="CA GB" make up
    """


@cli.command()
def demo() -> None:
    """Set up, start, feed, wait, verify, show; a run of its own.

    TWEETS=file, COUNTRIES="CA GB", SHIFT=now, RATE=tweets/s, DURATION=90s|3m, KEEP=1.
    """
    asked = demand.from_environment()
    user_variables()
    inst = installation.from_environment()
    with exclusive(inst):
        demo_.demo(inst, asked)


@cli.command()
def loadtest() -> None:
    """Load the whole pipeline, prove it, and report what each process used of its limit; a run of its own.

    RATE=tweets/s, DURATION=90s|3m|1h; LAST=1 judges the last load test again, with the limits as they are
    now. Exit 1 where a tweet is not accepted, a proof does not hold, or a process used more than 80 % of its
    limit.

    \b
    Examples:
      make loadtest RATE=500 DURATION=5m
      make loadtest RATE=500 DURATION=5m VARS=limits.yml
      make loadtest LAST=1 VARS=limits.yml
    """
    asked = asked_.from_environment()
    user_variables()
    inst = installation.from_environment()
    with exclusive(inst):
        loadtest_.loadtest(inst, asked)


@cli.command()
def up() -> None:
    """Start the servers; with X_BEARER_TOKEN_FILE and COUNTRIES the live run on X too."""
    inst = installation.from_environment()
    wanted = live.from_environment()
    user_variables()
    with exclusive(inst):
        check_machine(inst)
        build(inst.checkout, inst.home, inst.cache)
        bring_up(inst)
        if wanted:
            live.start(inst, wanted)
    console.print(grafana.sentence(inst), soft_wrap=True, markup=False, highlight=False)
    if not wanted:
        console.print(
            "The servers run. X_BEARER_TOKEN_FILE=file COUNTRIES='CA GB' make up counts the live stream."
        )


@cli.command(name="status")
def status_() -> None:
    """Every service: state, memory, address, health. Exit 1 when one of them failed."""
    if not status.show(installation.from_environment()):
        raise Fault("A service failed: see above, and its log with make logs SERVICE=<service>.")


@cli.command()
def logs() -> None:
    """Follow a service's log (SERVICE=name), or list the services."""
    inst = installation.from_environment()
    name = os.environ.get("SERVICE", "").strip()
    if not name:
        known = services.services(inst)
        if not known:
            console.print(f"Nothing runs in {inst.home}, so there is no log to follow: `make up` starts it.")
        for service in known:
            console.print(f"{service.name}  [dim]{service.log}[/dim]")
        return
    log = services.find(inst, name).log
    arguments = ["tail", "-n", "50", *(["-F"] if sys.stdout.isatty() else []), str(log)]
    os.execvp(arguments[0], arguments)  # noqa: S606 - tail is what a person would type


@cli.command()
def verify() -> None:
    """Ledgers and recount of a run (RUN=demo): nothing lost, no number wrong. Exit 1 on any difference."""
    prove.prove(installation.from_environment(), os.environ.get("RUN", "").strip() or "demo")


@cli.command()
def down() -> None:
    """Stop everything in order; topics, tables, checkpoint and journal stay."""
    inst = installation.from_environment()
    stopped = services.shut_down(inst)
    console.print(
        f"{stopped} services stopped; their data stays in {inst.home}." if stopped else "Nothing ran."
    )


@cli.command(name="clean")
def clean_() -> None:
    """Delete this installation's state after asking (YES=1 does not ask)."""
    inst = installation.from_environment()
    if not inst.home.exists():
        console.print(f"Nothing to delete: {inst.home} does not exist.")
        return
    with exclusive(inst):
        clean.clean(inst, sure=os.environ.get("YES", "").strip() == "1")


@cli.command(name="archives")
def archives_() -> None:
    """Fetch and check everything that gets installed, into the cache shared by all clones."""
    inst = installation.from_environment()
    with exclusive(inst):
        made = build(inst.checkout, inst.home, inst.cache)
    console.print(f"{len(made)} archives are ready in {inst.cache}.")


def main() -> None:
    """Run a command; whatever ends it is one sentence and an exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Who began it with nohup wants it to go on.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.BAD_INPUT)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted. The same command starts again; `make down` stops what runs.", err=True)
        sys.exit(_INTERRUPTED)
    except Fault as fault:
        if fault.detail:
            click.echo(fault.detail, err=True)
        click.echo(f"citypulse: {fault.sentence}", err=True)
        sys.exit(fault.code)
    except Exception as error:  # noqa: BLE001 - the last resort
        _unforeseen(error)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _unforeseen(error: Exception) -> NoReturn:
    """One sentence for whatever nobody thought of; the rest is for who will think of it, in a file."""
    with tempfile.NamedTemporaryFile("w", prefix="citypulse-", suffix=".log", delete=False) as report:
        traceback.print_exception(error, file=report)
    what = " ".join(str(error).split())[:200]
    click.echo(
        f"citypulse: this was not foreseen: {type(error).__name__}: {what}. {report.name} has the details.",
        err=True,
    )
    sys.exit(Exit.FAULT)
