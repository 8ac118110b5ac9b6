"""The book of gaps: what opens, ends and fills one, from any thread, on disk before it is relied on.

The promise: each post that X sent while its feed was wanted, and that is not in the journal, was sent in a
gap of this book, or after the time that the file `heard` holds, which becomes the start of a gap at the next
start. Gaps may say too much, never too little.
"""

import threading
from pathlib import Path

import msgspec
import structlog

from citypulse.events.gap import Gap
from citypulse.producer import metrics
from citypulse.producer.gaps.file import Entry, GapFile, Wanted
from citypulse.producer.gaps.heard import Heard

log = structlog.get_logger()

_TRANSIT_MS = 5000
"""How much earlier than it was received X may have sent what was read at once."""


class GapBook:
    """The gaps of one producer. All times are X's, in ms since the epoch."""

    def __init__(self, directory: Path, producer: str, heard: Heard) -> None:
        """Open the book.

        Args:
            directory: the journal's, whose writer the caller is.
            producer: name of the producer.
            heard: until when everything is in the journal.
        """
        self._producer = producer
        self._heard = heard
        self._lock = threading.RLock()
        self._file = GapFile(directory)
        self._counted: dict[str, int] = {}
        self._given_up: set[str] = set()
        self._unrecorded = ""

    def begin(self, now: int, journaled: int | None, wanted: Wanted) -> None:
        """The process starts: since the last one was heard of, nothing was received.

        Args:
            now: X's time.
            journaled: when the last record of the journal was received; None where it has none. It stands in
                for a bound that was lost.
            wanted: what will be asked of X; taken for what was, where nothing says so.
        """
        with self._lock:
            if self._file.current is None and journaled is not None:
                self._file.want(wanted, journaled)
            if self._heard.value is None and self._file.current is not None:
                last = self._last()
                ended = last.gap.end if last else None
                self._heard.value = max(journaled or 0, self._file.current.since, ended or 0)
            self.lost("killed", now)

    def lost(self, cause: str, now: int) -> None:
        """Nothing is received from here on. Where a gap is open already, that one goes on.

        Args:
            cause: as `Gap.cause` says it.
            now: X's time; a bound that is later cannot be.

        Raises:
            OSError: it is not on disk; the gap will be recorded when a connection, or the process, begins.
        """
        with self._lock:
            heard = self._heard.advance()
            current, last = self._file.current, self._last()
            if heard is None or current is None or (last and last.gap.end is None):
                return
            # The first cause counts, should it take several attempts to write it down.
            cause = self._unrecorded = self._unrecorded or cause
            start = min(heard, now)
            if last and last.gap.end is not None:
                if start <= last.gap.end and last.gap.open and last.wanted == current.id:
                    # Nothing was heard in between: it is one stretch.
                    self._given_up.discard(last.gap.id)
                    self._record(msgspec.structs.replace(last.gap, end=None, reason=""), last.wanted)
                    self._unrecorded = ""
                    return
                start = max(start, last.gap.end)
            for wanted, begin, end in self._spans(start):
                gap = Gap(
                    self._new_id(begin), self._producer, wanted.feeds, wanted.countries, begin, end, cause
                )
                self._record(gap, wanted.id)
                metrics.gaps_recorded.labels(cause).inc()
                log.warning("gap: opened", gap=gap.id, cause=cause, feeds=gap.feeds)
            self._unrecorded = ""

    def connected(self, earliest: int, latest: int, wanted: Wanted) -> None:
        """Everything that X sends from now on will be received, of what is wanted.

        Args:
            earliest: X's time is this at least,
            latest: and this at most.
            wanted: what is asked of X.

        Raises:
            OSError: that is not on disk, and nothing may be read before it is.
        """
        with self._lock:
            # Where a gap's beginning could not be written, it is now.
            self.lost("disk", earliest)
            last = self._last()
            begin = earliest
            if last and last.gap.end is None:
                begin = max(latest, last.gap.start + 1)
                self._record(msgspec.structs.replace(last.gap, end=begin), last.wanted)
                log.info("gap: ended", gap=last.gap.id, seconds=(begin - last.gap.start) / 1000)
            self._file.want(wanted, begin)
            self._heard.begin(begin)

    def wants(self, wanted: Wanted, now: int) -> None:
        """Something else is asked of X from now on, on the same connection. Raises as `connected` does."""
        with self._lock:
            if self._file.current is not None:
                self._file.want(wanted, now)

    def dropped(self, start: int, end: int) -> None:
        """Messages that were received from `start` to `end` were dropped, for want of room.

        Raises as `connected` does.
        """
        with self._lock:
            if self._file.current is None:
                return
            current, begin = self._file.current, start - _TRANSIT_MS
            gap = Gap(
                self._new_id(begin),
                self._producer,
                current.feeds,
                current.countries,
                begin,
                end + 1,
                "dropped",
            )
            self._record(gap, current.id)
            metrics.gaps_recorded.labels("dropped").inc()
            log.warning("gap: opened", gap=gap.id, cause="dropped", feeds=gap.feeds)

    def fillable(self, since: int, until: int) -> list[Gap]:
        """Gaps that may be filled, oldest first: ended by `until`, not filled, not given up since the start.

        What is older than `since` is given up; of a gap that is partly older, the rest is a gap of its own.
        """
        with self._lock:
            for entry in list(self._file.entries.values()):
                if self._may_be_filled(entry.gap) and entry.gap.start < since:
                    self._give_up_before(entry, since)
            return [gap for gap in self.gaps() if self._may_be_filled(gap) and (gap.end or 0) <= until]

    def wanted_in(self, gap: Gap) -> Wanted | None:
        """What was wanted when a gap opened."""
        with self._lock:
            entry = self._file.entries.get(gap.id)
            return self._file.wanted.get(entry.wanted) if entry else None

    def progress(self, gap: Gap, until: int) -> None:
        """What was created before `until` is fetched, and in the journal."""
        with self._lock:
            if entry := self._file.entries.get(gap.id):
                self._record(msgspec.structs.replace(entry.gap, filled_until=until), entry.wanted)

    def filled(self, gap: Gap, by: str, now: int) -> None:
        """All of a gap is fetched, and in the journal.

        One that has been opened again since `gap` was looked at stays open.
        """
        with self._lock:
            entry = self._file.entries.get(gap.id)
            if entry is None or not entry.gap.open or entry.gap.end is None or entry.gap.end != gap.end:
                return
            self._record(
                msgspec.structs.replace(
                    entry.gap, filled_by=by, filled_at=now, filled_until=entry.gap.end, reason=""
                ),
                entry.wanted,
            )
            metrics.gaps_filled.labels(by).inc()
            log.info("gap: filled", gap=gap.id, by=by)

    def give_up(self, gap: Gap, reason: str) -> None:
        """A gap cannot be filled, before the next start at least; it stays open with the reason."""
        with self._lock:
            self._given_up.add(gap.id)
            if (entry := self._file.entries.get(gap.id)) and entry.gap.reason != reason:
                self._record(msgspec.structs.replace(entry.gap, reason=reason), entry.wanted)
                log.warning("gap: stays open", gap=gap.id, reason=reason)

    def gaps(self) -> list[Gap]:
        """All that are remembered, in the order in which they opened."""
        with self._lock:
            return sorted((entry.gap for entry in self._file.entries.values()), key=lambda gap: gap.start)

    def unpublished(self) -> list[Gap]:
        """Gaps that Kafka does not have as they are, oldest first."""
        with self._lock:
            return [gap for gap in self.gaps() if gap.id in self._file.unpublished]

    def published(self, gap: Gap) -> None:
        """Kafka has acknowledged a gap as `unpublished` gave it; one that has changed since stays there."""
        with self._lock:
            entry = self._file.entries.get(gap.id)
            if entry and entry.gap == gap and gap.id in self._file.unpublished:
                self._file.published(gap.id)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._heard.close()
            self._file.close()

    def _may_be_filled(self, gap: Gap) -> bool:
        return gap.open and gap.end is not None and gap.id not in self._given_up

    def _last(self) -> Entry | None:
        """The gap that has not ended, else the latest."""
        entries = self._file.entries.values()
        return max(entries, key=lambda entry: (entry.gap.end is None, entry.gap.start), default=None)

    def _spans(self, start: int) -> list[tuple[Wanted, int, int | None]]:
        """What was wanted from `start` on, with the time in which it was; the last has no end yet."""
        history = self._file.history
        spans: list[tuple[Wanted, int, int | None]] = []
        for n, wanted in enumerate(history):
            begin = max(start, wanted.since) if n else start
            end = history[n + 1].since if n + 1 < len(history) else None
            if end is None or end > begin:
                spans.append((wanted, begin, end))
        return spans

    def _new_id(self, start: int) -> str:
        number = start
        while f"{self._producer}-{number}" in self._file.entries:
            number += 1
        return f"{self._producer}-{number}"

    def _record(self, gap: Gap, wanted: str) -> None:
        self._file.record(gap, wanted)
        if gap.end is not None:
            seconds = gap.end - gap.start
            # A stretch that goes on after a moment's connection is counted by what is added to it.
            metrics.gap_seconds.labels(gap.cause).inc(max(seconds - self._counted.get(gap.id, 0), 0) / 1000)
            self._counted[gap.id] = seconds

    def _give_up_before(self, entry: Entry, since: int) -> None:
        gap = entry.gap
        if gap.end is None or gap.filled_until >= since:
            return
        if gap.end > since:
            rest = msgspec.structs.replace(gap, id=self._new_id(since), start=since)
            self._counted[rest.id] = gap.end - since
            self._record(rest, entry.wanted)
            gap = msgspec.structs.replace(gap, end=since)
            self._record(gap, entry.wanted)
        self.give_up(gap, "it is older than the 7 days that recent search reaches back")
