"""One connection's lines on their way to the journal, and what they say about until when X was heard."""

import threading

from citypulse.events.event import post_created_at_ms
from citypulse.producer import metrics
from citypulse.producer.config import X
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.gaps.journaled import post_id
from citypulse.producer.journal.committer import Committer
from citypulse.producer.stream import control
from citypulse.producer.stream.xclock import XClock

NOTE_SECONDS = 0.25
"""How often it is noted until when X was heard."""
_WAITED_SECONDS = 0.5
"""A read that took longer had nothing to read when it began, whatever else the machine does."""


class Reception:
    """Takes what one connection gives. For the stream's thread alone."""

    def __init__(
        self,
        x: X,
        committer: Committer,
        heard: Heard,
        book: GapBook,
        clock: XClock,
        stopping: threading.Event,
        backfill_minutes: int,
    ) -> None:
        self._committer, self._heard, self._book = committer, heard, book
        self._clock = clock
        self._stopping = stopping
        self._in_flight_ms = int(x.stall_seconds * 1000)
        self._blocked_seconds = x.stall_seconds
        self._settle_ms = int(x.backfill_settle_seconds * 1000)
        self.backfill_minutes = backfill_minutes
        """What X is asked to send again."""
        self._backfilled_at: int | None = None
        self._reaches_back_to = 0
        self._dropped = 0
        self._since = clock.monotonic()
        self._noted = 0.0
        self._blocked_at = float("-inf")

    @property
    def blocked(self) -> bool:
        """Whether the journal has just taken nothing for so long that X may end the connection for it."""
        return self._clock.monotonic() - self._blocked_at < self._blocked_seconds

    def connected(self, earliest: int, latest: int) -> None:
        """The connection has begun, between these times of X's."""
        self._since = self._clock.monotonic()
        if self.backfill_minutes:
            self._backfilled_at = latest
            self._dropped = self._committer.dropped
            self._reaches_back_to = earliest - self.backfill_minutes * 60_000

    def take(self, lines: list[bytes]) -> int:
        """Hand messages over to the journal.

        Returns:
            How many posts X delivered.

        Raises:
            EndedError: X says that the connection ends; what came with that is handed over.
        """
        called, came = self._since, self._clock.monotonic()
        messages, ended = self._sort(lines)
        if messages:
            metrics.received.inc(len(messages))
            metrics.received_bytes.inc(sum(map(len, messages)))
            self._committer.put(self._clock.now(came), messages, self._stopping.is_set)
            if (now := self._clock.monotonic()) - came > self._blocked_seconds:
                self._blocked_at = now
        self._note(called, came, messages)
        self._settle(self._heard.advance())
        self._since = self._clock.monotonic()
        if ended:
            raise ended
        return len(messages)

    def _sort(self, lines: list[bytes]) -> tuple[list[bytes], control.EndedError | None]:
        messages, ended = [], None
        for line in lines:
            if not line:
                metrics.keep_alives.inc()
            elif found := control.read(line):
                ended = ended or found.ends()
            else:
                messages.append(line)
        return messages, ended

    def _note(self, called: float, came: float, messages: list[bytes]) -> None:
        if came - self._noted < NOTE_SECONDS:
            return
        self._noted = came
        if came - called >= _WAITED_SECONDS:
            # What X sent before may have been under way for as long as a silence is no stall, not longer.
            self._heard.note(self._clock.earliest(called) - self._in_flight_ms)
        post = post_id(messages[-1]) if messages else None
        if post is not None:
            created = post_created_at_ms(post)
            if created <= self._clock.latest(came):
                self._heard.note(min(created, self._clock.earliest(came)))

    def _settle(self, heard: int | None) -> None:
        """Once the connection has been heard for long enough, what X sent again is in the journal as well."""
        if self._backfilled_at is None or heard is None or heard < self._backfilled_at + self._settle_ms:
            return
        self._backfilled_at = None
        if self._committer.dropped != self._dropped:
            # It may be what X sent again that was dropped.
            return
        for gap in self._book.gaps():
            if gap.open and gap.end is not None and self._reaches_back_to <= gap.start:
                self._book.filled(gap, "backfill", self._clock.latest())


def backfill_minutes(book: GapBook, longest: int, now: int) -> int:
    """How many minutes X is to send again: to the beginning of the oldest gap that they reach.

    Args:
        book: the gaps.
        longest: what the account has, in minutes; 0 for none.
        now: X's time, in ms since the epoch.
    """
    starts = [gap.start for gap in book.gaps() if gap.open and gap.start >= now - longest * 60_000]
    if not longest or not starts:
        return 0
    # A gap may be a little longer by the time of the connection.
    return min(-(-(now + 5000 - min(starts)) // 60_000), longest)
