"""What was read and could not be journaled: the file `dropped.jsonl` says from when to when, and how many.

A line is a span: `start` and `end`, ms since the epoch, between which the messages were sent, `count`,
`cause`, and whether `told`: whoever records gaps knows of it. The file is replaced whole before the messages
leave memory, so that a kill costs no count. It has no word of what the messages said.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.journal import files, reserve

NAME = "dropped.jsonl"
KEPT = 1000
"""Spans that the file has at most; the oldest are put together."""
TELL_MS = 300_000
"""A span that lasts is told of in parts of so many ms: those who count must not wait for its end."""

OnDropped = Callable[[int, int, int], None]
"""Called with start and end, ms since the epoch, and count of a span, once it is over; at least once."""

log = structlog.get_logger()


class Span(msgspec.Struct):
    """Messages that were dropped one after the other."""

    start: int
    end: int
    count: int
    cause: str
    told: bool = False


class Dropped:
    """The spans of one journal. For one thread."""

    def __init__(
        self,
        directory: Path,
        on_dropped: OnDropped | None,
        heard: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Read the file; `tell` tells of the spans that the last process could not tell of.

        Args:
            directory: the journal's.
            on_dropped: see `OnDropped`.
            heard: gives until when everything that was sent is in the journal, ms since the epoch, where that
                is known: what is dropped may have been under way for longer than it looks.
        """
        self._directory = directory
        self._on_dropped = on_dropped
        self._heard = heard
        self._spans = load(directory)
        self._current: Span | None = None
        self.total = 0
        """How many messages were dropped."""
        self.unnoted = 0
        """How many of them the file does not know of yet."""

    def add(self, group: Sequence[tuple[int, bytes]], cause: str) -> None:
        """Count messages, given as time in ms since the epoch and payload, that are to be dropped."""
        times = [at for at, _ in group]
        start = min(times) if (heard := self._heard()) is None else min(heard, *times)
        if self._current and self._current.end - self._current.start >= TELL_MS and self._told(self._current):
            start, self._current = self._current.end, None
        if self._current is None:
            self._current = Span(start, max(start, *times), 0, cause)
            self._spans.append(self._current)
        self._current.start = min(self._current.start, *times)
        self._current.end = max(self._current.end, *times)
        self._current.count += len(group)
        self.total += len(group)
        self.unnoted += len(group)
        self._store()
        metrics.dropped.labels(cause).inc(len(group))

    def end(self) -> None:
        """There is room again: the current span, if there is one, is over."""
        if self._current:
            log.warning("journal: messages were dropped", **msgspec.structs.asdict(self._current))
            self._current = None
            self.tell()

    def tell(self) -> None:
        """Tell of each span that is over and was not told of."""
        if sum(self._told(span) for span in self._spans if not span.told):
            self._store()

    def _told(self, span: Span) -> bool:
        """Tell of a span; whether it is told, for which a full disk may have no room yet."""
        if self._on_dropped is None:
            return False
        try:
            self._on_dropped(span.start, span.end, span.count)
        except OSError as error:
            if not files.is_short(error):
                raise
            log.warning("journal: what was dropped cannot be told yet", reason=str(error))
            return False
        span.told = True
        return True

    def _store(self) -> None:
        while len(self._spans) > KEPT:
            first, second = self._spans[:2]
            second.start, second.count = min(first.start, second.start), first.count + second.count
            second.end, second.told = max(first.end, second.end), first.told and second.told
            del self._spans[0]
        data = b"".join(msgspec.json.encode(span) + b"\n" for span in self._spans)
        try:
            reserve.with_room(self._directory, lambda: files.replace(self._directory / NAME, data))
        except OSError as error:
            if not files.is_short(error):
                raise
            # It stays in memory and in the metric, and is written with the next one.
            log.warning("journal: the disk has no room to note what is dropped")
        else:
            self.unnoted = 0


def load(directory: Path) -> list[Span]:
    """The spans of a journal, oldest first; a line that cannot be read is passed over, which is logged."""
    path = directory / NAME
    spans = []
    for line in files.read(path).splitlines() if files.exists(path) else ():
        try:
            spans.append(msgspec.json.decode(line, type=Span))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("journal: a span of what was dropped cannot be read", reason=str(error))
    return spans
