"""`python -m citypulse.control.archives`: make archives, write their lock anew, install from the cache."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from citypulse.control.archives import building
from citypulse.control.archives.cache import default_root
from citypulse.control.faults import Fault
from citypulse.control.installation import CHECKOUT
from citypulse.control.steps import console

_DIRECTORY = click.Path(file_okay=False, path_type=Path)
_HOME = click.option(
    "--home",
    type=_DIRECTORY,
    envvar="CITYPULSE_HOME",
    default=CHECKOUT / ".citypulse",
    help="The installation's state; archives.json is written there.",
)
_CACHE = click.option(
    "--cache",
    type=_DIRECTORY,
    default=default_root,
    help="Where downloads and archives are kept; all clones may share it.  [default: $CITYPULSE_CACHE]",
)
_CHECKOUT = click.option("--checkout", type=_DIRECTORY, default=CHECKOUT, hidden=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Archives of everything that gets installed: servers from Maven poms, services from pinned wheels.

    \b
    Examples:
      python -m citypulse.control.archives build --home .citypulse
      python -m citypulse.control.archives lock
    """


@cli.command()
@_HOME
@_CACHE
@_CHECKOUT
def build(home: Path, cache: Path, checkout: Path) -> None:
    """Make what the cache lacks and check all of it."""
    archives = building.build(checkout.absolute(), home.absolute(), cache.absolute())
    console.print(f"{len(archives)} archives are listed in {home / 'archives.json'}.", markup=False)


@cli.command()
@_HOME
@_CACHE
@_CHECKOUT
def lock(home: Path, cache: Path, checkout: Path) -> None:
    """Write archives/archives.lock anew from what the poms bring; read its difference before a commit."""
    count = building.write_lock(checkout.absolute(), home.absolute(), cache.absolute())
    console.print(f"archives/archives.lock holds the sha256 of {count} jars.", markup=False)


@cli.command()
@_HOME
@_CACHE
@click.argument("requirements", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("python", type=click.Path(dir_okay=False, path_type=Path))
def install(home: Path, cache: Path, requirements: Path, python: Path) -> None:
    """Install a pinned requirement file into the environment of PYTHON, from wheels kept in the cache."""
    building.install(requirements.absolute(), python.absolute(), home.absolute(), cache.absolute())


def main() -> None:
    """Run the command; a fault is one sentence on stderr and its exit code."""
    try:
        cli()
    except Fault as fault:
        if fault.detail:
            click.echo(fault.detail, err=True)
        click.echo(f"archives: {fault.sentence}", err=True)
        sys.exit(fault.code)


if __name__ == "__main__":
    main()
