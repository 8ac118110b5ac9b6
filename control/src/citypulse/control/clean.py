"""Deletes an installation's state, after saying what that is."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from rich.table import Table

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.services import manager_pid
from citypulse.control.steps import console

WHAT_IT_IS = {
    "archives.json": "which archives are installed",
    "bin": "commands",
    "etc": "configuration of the services",
    "java_home": "where Java 17 is",
    "dev": "tools for tests and lint",
    "log": "logs",
    "opt": "installed servers and services",
    "run": "sockets, variables of the last command",
    "runs": "what was fed to each run",
    "var": "data: Kafka's topics, ZooKeeper, Cassandra's tables, checkpoints, journals",
    "venv": "the control node's tools",
    "wheels": "the project's own wheels",
}


MARKS = (".venv-", ".dev-", ".venv.link", ".dev.link", ".bootstrap.lock", ".command.lock", "java_home")
"""How the names of set-up's own files begin."""


def clean(inst: Installation, sure: bool) -> None:
    """Delete `inst.home`; asks unless `sure`. The cache shared by all clones stays."""
    if manager_pid(inst) is not None:
        raise Fault("Services still run here: stop them with `make down` first.")
    strangers = [p.name for p in inst.home.iterdir() if not _is_ours(p.name)]
    if strangers:
        raise Fault(
            f"CITYPULSE_HOME={inst.home} holds what is not citypulse's ({', '.join(sorted(strangers)[:5])}):"
            " delete it yourself if that is what you want.",
            Exit.BAD_INPUT,
        )
    table = Table(title=f"To be deleted: {inst.home}", title_justify="left")
    table.add_column("what")
    table.add_column("MB", justify="right")
    table.add_column("which is")
    for path in sorted(inst.home.iterdir()):
        table.add_row(path.name, f"{_size(path) / 1e6:,.0f}", WHAT_IT_IS.get(path.name, "marks of set-up"))
    console.print(table)
    console.print(f"The downloads in {inst.cache} stay; delete that directory yourself to free it.")
    if not sure and not sys.stdin.isatty():
        raise Fault("Nobody is there to be asked: YES=1 make clean deletes it.", Exit.BAD_INPUT)
    if not sure and not click.confirm("Delete it?", default=False):
        console.print("Nothing was deleted.")
        return
    shutil.rmtree(inst.home)
    console.print("Deleted.")


def _is_ours(name: str) -> bool:
    return name in WHAT_IT_IS or name.startswith(MARKS)


def _size(path: Path) -> int:
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_blocks * 512
    return sum(_size(child) for child in path.iterdir()) if path.is_dir() else 0
