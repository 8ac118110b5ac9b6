"""Progress of long work: which step, how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

_PLAIN_WIDTH = 120

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = _PLAIN_WIDTH


class Steps:
    """Numbers the steps of one command and says how long each took."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step; on a good end say how many seconds it took."""
        self._done += 1
        mark = f"[bold]\\[{self._done}/{self._total}][/bold]"
        console.print(f"{mark} {title}")
        began = time.monotonic()
        yield
        console.print(f"{mark} [green]done[/green] in {time.monotonic() - began:.0f} s")


class Ticker:
    """A line about work under way: rewritten in place on a terminal, every 10 seconds elsewhere."""

    def __init__(self) -> None:
        self._last = 0.0
        self._open = False

    def say(self, line: str) -> None:
        """Show `line` as the present state of the work."""
        now = time.monotonic()
        if console.is_terminal:
            console.file.write(f"\r\x1b[2K      {line}")
            console.file.flush()
            self._open = True
        elif now - self._last >= 10:
            self._last = now
            console.print(f"      {line}")

    def close(self, line: str = "") -> None:
        """Leave `line` as what stays to be read."""
        if self._open:
            console.file.write("\r\x1b[2K")
            console.file.flush()
        if line:
            console.print(f"      {line}")
