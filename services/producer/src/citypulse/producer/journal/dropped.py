"""What was read and could not be journaled: the file `dropped.jsonl` says from when to when, and how many.

A line is a span: `start` and `end`, ms since the epoch, when the first and the last of the messages were
read, `count`, `cause`, and whether `told`: whoever records gaps knows of it. The file is replaced whole
before the messages leave memory, so that a kill costs no count. It has no word of what the messages said.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.journal import files, reserve

NAME = "dropped.jsonl"
KEPT = 1000
"""Spans that the file has at most; the oldest go first."""

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

    def __init__(self, directory: Path, on_dropped: OnDropped | None) -> None:
        """Read the file; `tell` tells of the spans that the last process could not tell of."""
        self._directory = directory
        self._on_dropped = on_dropped
        self._spans = load(directory)
        self._current: Span | None = None

    def add(self, group: Sequence[tuple[int, bytes]], cause: str) -> None:
        """Count messages, given as time in ms since the epoch and payload, that are to be dropped."""
        times = [at for at, _ in group]
        if self._current is None:
            self._current = Span(min(times), max(times), 0, cause)
            self._spans.append(self._current)
        self._current.start = min(self._current.start, *times)
        self._current.end = max(self._current.end, *times)
        self._current.count += len(group)
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
        untold = [span for span in self._spans if not span.told]
        if not untold or self._on_dropped is None:
            return
        for span in untold:
            self._on_dropped(span.start, span.end, span.count)
            span.told = True
        self._store()

    def _store(self) -> None:
        del self._spans[:-KEPT]
        data = b"".join(msgspec.json.encode(span) + b"\n" for span in self._spans)
        try:
            reserve.with_room(self._directory, lambda: files.replace(self._directory / NAME, data))
        except OSError as error:
            if not files.is_short(error):
                raise
            # It stays in memory and in the metric, and is written with the next one.
            log.warning("journal: the disk has no room to note what is dropped")


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
