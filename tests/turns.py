"""What is too long for every run takes turns: the number of commits says where in the row a run begins."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import TypeVar

from tests.system import CHECKOUT

Entry = TypeVar("Entry")

EVERY = "all"
"""Value of TURNS that lets all long tests run, as plain pytest does; `some` lets a few. Faults, which take
most of an hour, take turns unless FAULT says which."""


def wanted() -> str:
    """What was asked for."""
    return os.environ.get("TURNS", EVERY)


def turn(row: Sequence[tuple[Entry, float]], budget: float, step: int) -> list[Entry]:
    """Those whose turn it is.

    Args:
        row: each with the minutes it takes.
        budget: how many minutes there are; the first whose turn it is runs in any case.
        step: how many places the beginning moves with each commit.
    """
    if not row:
        return []
    head = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    start = int(head.stdout or 0) * step % len(row)
    taken: list[Entry] = []
    spent = 0.0
    for entry, minutes in (*row[start:], *row[:start]):
        if not taken or spent + minutes <= budget:
            taken.append(entry)
            spent += minutes
    return taken
