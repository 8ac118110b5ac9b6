"""Until when everything that X sent is in the journal: where a gap begins if the connection, or the process,
ends now.

Lines come in X's order. So what was not read was sent after the last line that was; and X sent that line
after the creation of each post before it, which a post's id tells. On a busy stream the newest id that was
read is therefore a close bound. On a quiet one, a read that had to wait shows that nothing was left before
it; but what X sent may be on its way for as long as a silence is not taken for a stall.

A bound holds for the journal only once the lines that were read until then are on disk. The file `heard` is
20 digits, ms since the epoch, written in place about once a second: one write of one sector, which survives
a kill, and after a power cut holds an older time, which only makes the gap longer.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from citypulse.producer.journal import files

WRITE_SECONDS = 1.0
_DIGITS = 20
_MARKS = 1000


class Journal(Protocol):
    """What of the committer is looked at."""

    durable: int
    """The sequence before which every record is on disk."""

    @property
    def unjournaled(self) -> int:
        """How many payloads were handed over and are not on disk, nor noted there as dropped."""


def handed_over(journal: Journal) -> int:
    """A sequence: once `durable` reaches it, all that was handed over before the call is on disk.

    It may be too great where records reach the disk meanwhile, never too small.
    """
    waiting = journal.unjournaled
    return journal.durable + waiting


class Heard:
    """The bound, for any thread."""

    def __init__(
        self, directory: Path, journal: Journal, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = directory / "heard"
        self._lock = threading.Lock()
        self._journal = journal
        self._monotonic = monotonic
        self._marks: deque[tuple[int, int]] = deque(maxlen=_MARKS)
        self._descriptor: int | None = None
        self._written_at = 0.0
        self.value = load(directory)
        """Everything that X sent before this is in the journal, ms since the epoch; None before the first
        connection ever.
        """
        self._written = self.value

    def note(self, at: int) -> None:
        """Everything that X sent before `at` was handed to the journal before this call."""
        with self._lock:
            if at > (self._marks[-1][0] if self._marks else self.value or 0):
                needed = handed_over(self._journal)
                # An earlier one may ask for more than there will be: this one says all that it does.
                while self._marks and self._marks[-1][1] >= needed:
                    self._marks.pop()
                self._marks.append((at, needed))

    def advance(self) -> int | None:
        """Move the bound as far as the disk allows, and the file behind it; returns the bound."""
        with self._lock:
            durable = self._journal.durable
            while self._marks and self._marks[0][1] <= durable:
                self.value = max(self._marks.popleft()[0], self.value or 0)
            if self.value != self._written and self._monotonic() - self._written_at >= WRITE_SECONDS:
                self._write()
            return self.value

    def begin(self, at: int) -> None:
        """A connection has begun: what X sent before `at` is received, or lies in a gap that is recorded."""
        with self._lock:
            self._marks.clear()
            self.value = at
            self._write()

    def close(self) -> None:
        """Write the bound a last time."""
        self.advance()
        with self._lock:
            if self.value != self._written:
                self._write()
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _write(self) -> None:
        data = b"%0*d\n" % (_DIGITS, self.value or 0)
        if self._descriptor is None:
            if not self._path.exists():
                files.replace(self._path, data)
            self._descriptor = os.open(self._path, os.O_WRONLY)
        os.pwrite(self._descriptor, data, 0)
        self._written, self._written_at = self.value, self._monotonic()


def load(directory: Path) -> int | None:
    """The bound that a file `heard` holds, or None where there is none that is whole."""
    try:
        text = (directory / "heard").read_text("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    digits = text.removesuffix("\n")
    return int(digits) if len(digits) == _DIGITS and digits.isdigit() else None
