"""What keeps a journal small and in order while it is written: pruning, the reserve, what others ask for.

The thread that appends does it, between groups, so that only one thread ever changes the segments.
"""

import time
from collections.abc import Callable

import structlog

from citypulse.producer.journal import files, reserve, setaside
from citypulse.producer.journal.writer import Writer

ROTATE = "rotate"
"""The file by which another process asks for a new segment; it is gone once that has begun."""

_RESERVE_SECONDS = 60.0
_TRIM_SECONDS = 3600.0

log = structlog.get_logger()


class Upkeep:
    """The housekeeping of one journal."""

    def __init__(
        self,
        writer: Writer,
        reserve_bytes: int,
        set_aside_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._directory = writer.directory
        self._reserve_bytes = reserve_bytes
        self._set_aside_seconds = set_aside_seconds
        self._monotonic = monotonic
        self._next_reserve = self._next_trim = monotonic()
        self._acknowledged: tuple[int, float] | None = None

    def acknowledged(self, before: int, keep_seconds: float) -> None:
        """Have segments deleted, as `Writer.prune` says; may be called by any thread."""
        self._acknowledged = (before, keep_seconds)

    def run(self, full: bool) -> None:
        """Do what is due.

        Args:
            full: nothing can be appended until there is room.

        Raises:
            OSError: the disk fails; that it is short is no failure here.
        """
        if acknowledged := self._acknowledged:
            self._try(lambda: self._writer.prune(*acknowledged, full))
        if files.exists(self._directory / ROTATE):
            self._try(self._rotate)
        if not full:
            self._try(self._writer.rotate_old)
        now = self._monotonic()
        if not full and now >= self._next_reserve:
            self._next_reserve = now + _RESERVE_SECONDS
            if not self.has_reserve():
                log.warning("journal: the disk has no room for the reserve", bytes=self._reserve_bytes)
        if now >= self._next_trim:
            self._next_trim = now + _TRIM_SECONDS
            self._try(lambda: setaside.trim(self._directory, self._set_aside_seconds))

    def has_reserve(self) -> bool:
        """Have the reserve, if there is room for it; whether there is nothing to wait for."""
        return reserve.make(self._directory, self._reserve_bytes)

    def free_reserve(self) -> None:
        """Give the reserve's room to what is written next."""
        reserve.free(self._directory)

    def _rotate(self) -> None:
        self._writer.rotate()
        files.delete(self._directory / ROTATE)

    def _try(self, change: Callable[[], None]) -> None:
        try:
            change()
        except OSError as error:
            if not files.is_short(error):
                raise
