"""What a person sees of a build: a bar for each component on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from citypulse.control.steps import console

_EVERY = 10.0
"""Seconds between two plain lines about the same component."""


class Task:
    """The progress of one component."""

    def __init__(self, name: str, bars: Progress | None) -> None:
        self._name = name
        self._bars = bars
        self._bar: TaskID | None = None
        self._began = time.monotonic()
        self._spoke = 0.0

    def begin(self) -> None:
        """The work on it starts now."""
        self._began = time.monotonic()
        if self._bars is not None:
            self._bar = self._bars.add_task(self._name, total=None, state="")

    def show(self, state: str, done: float = 0, total: float | None = None) -> None:
        """What is happening: a few words, and how far of how much where that is known."""
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, state=state, completed=done, total=total)
        elif time.monotonic() - self._spoke >= _EVERY:
            self._line(state)

    def end(self, state: str) -> None:
        """It is done."""
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, state=state, completed=1, total=1)
        else:
            self._line(state)

    def _line(self, state: str) -> None:
        self._spoke = time.monotonic()
        console.print(f"      {self._name}: {state} [{self._spoke - self._began:.0f} s]", markup=False)


@contextmanager
def display() -> Iterator[Progress | None]:
    """The bars, where there is a terminal to draw them on."""
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("      {task.description:<16}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        yield bars


def size(count: float) -> str:
    """Bytes as megabytes, for a person."""
    return f"{count / 1e6:.1f} MB"
