"""Counts what X delivered in this UTC day and month, since it charges each post, and says when to stop.

The file `spend.json` in the journal's directory is written at most every second, with the sequence up to
which its counts go. At a start, what the journal holds from there on is added: after a crash the counts may
be a group of records too high, never too low by what is journaled.
"""

import datetime
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Spend as Limits
from citypulse.producer.gaps.heard import Journal
from citypulse.producer.journal import files
from citypulse.producer.journal.reader import Reader

log = structlog.get_logger()

NAME = "spend.json"
WRITE_SECONDS = 1.0
_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_DAY_SECONDS = 24 * 3600


class Counts(msgspec.Struct):
    """Posts of the periods that are named, and up to which record of the journal they are counted."""

    day: str = ""
    day_posts: int = 0
    month: str = ""
    month_posts: int = 0
    sequence: int = 0


class Clock(Protocol):
    """What of X's clock is looked at."""

    answered: bool
    """Whether X has answered: until then, the time is this host's, which may be wrong."""

    def now(self) -> int:
        """X's time, ms since the epoch."""


class Spend:
    """The counts, which the stream and the search add to."""

    def __init__(self, directory: Path, limits: Limits, journal: Journal, clock: Clock) -> None:
        """Read the counts, and add what was journaled after they were written.

        Args:
            directory: the journal's.
            limits: posts per period.
            journal: whose `durable` is where the journal ends.
            clock: of X, whose days and months are counted.
        """
        self._path = directory / NAME
        self._lock = threading.RLock()
        self._journal = journal
        self._clock = clock
        self._counts = load(directory)
        self._written_at = 0.0
        self._warned: set[str] = set()
        self._day = -1.0
        self._limits = limits
        if self._counts.sequence:
            self._recount(directory)
        self._watch()

    def limit(self, limits: Limits) -> None:
        """Take other limits."""
        with self._lock:
            self._limits = limits
            self._warned.clear()

    def count(self, posts: int) -> None:
        """X has delivered so many posts, which were handed to the journal before this call."""
        with self._lock:
            self._turn(self._clock.now() / 1000)
            self._counts.day_posts += posts
            self._counts.month_posts += posts
            self._warn()
            if time.monotonic() - self._written_at >= WRITE_SECONDS:
                self.write()

    def spent(self) -> str:
        """Why nothing more may be read, in a sentence that says what to do; empty while something may."""
        with self._lock:
            if self._clock.answered:
                self._turn(self._clock.now() / 1000)
            for period, used, limit in self._used():
                if limit and used >= limit and not self._may_be_over(period):
                    return (
                        f"X has delivered {used} posts in this UTC {period}, and spend.posts_per_{period}"
                        f" = {limit}: reading goes on when the {period} turns, or when that is raised and"
                        " SIGHUP sent"
                    )
        return ""

    def write(self) -> None:
        """Have the counts in the file; on a full disk they are counted from the journal at the next start."""
        with self._lock:
            # Durable first: a record that reaches the disk in between is counted twice at the next start.
            durable = self._journal.durable
            self._counts.sequence = durable + self._journal.unjournaled
            self._written_at = time.monotonic()
            try:
                files.replace(self._path, msgspec.json.encode(self._counts))
            except OSError as error:
                log.warning("spend: the counts cannot be written", reason=str(error))

    def _warn(self) -> None:
        for period, used, limit in self._used():
            if limit and used >= limit * self._limits.warn_at and period not in self._warned:
                self._warned.add(period)
                log.warning(
                    "spend: reading stops when the limit is reached", period=period, posts=used, limit=limit
                )

    def _used(self) -> Iterable[tuple[str, int, int]]:
        yield "day", self._counts.day_posts, self._limits.posts_per_day
        yield "month", self._counts.month_posts, self._limits.posts_per_month

    def _may_be_over(self, period: str) -> bool:
        """Whether this host says that the period is over, and X is still to be asked for the time."""
        now = self._clock.now() / 1000
        return not self._clock.answered and _name(period, now) > getattr(self._counts, period)

    def _turn(self, at: float) -> None:
        """Begin a new day or month where `at`, X's time in seconds since the epoch, lies in one."""
        if (day := at // _DAY_SECONDS) == self._day:
            return
        self._day = day
        for period in _PERIODS:
            name, counted = _name(period, at), getattr(self._counts, period)
            if name > counted:
                setattr(self._counts, period, name)
                setattr(self._counts, f"{period}_posts", 0)
                self._warned.discard(period)
            elif counted > _name(period, at + _DAY_SECONDS):
                # A clock that was far ahead has begun it, and it would not end for as long.
                setattr(self._counts, period, name)

    def _recount(self, directory: Path) -> None:
        reader = Reader(directory, self._counts.sequence, lambda *_: None)
        added = 0
        while records := reader.read(self._journal.durable, 1000, 4 << 20):
            for record in records:
                self._turn(record.at / 1000)
                self._counts.day_posts += 1
                self._counts.month_posts += 1
                added += 1
        reader.close()
        if added:
            log.info("spend: counted from the journal what was not in the file", posts=added)

    def _watch(self) -> None:
        """Let the gauges look here when they are asked."""

        def watch(period: str, used: Callable[[], int], limit: Callable[[], int]) -> None:
            metrics.spend_posts.labels(period).set_function(used)
            metrics.spend_limit.labels(period).set_function(limit)
            metrics.spend_usd.labels(period).set_function(lambda: used() * self._limits.price_per_post)

        watch("day", lambda: self._counts.day_posts, lambda: self._limits.posts_per_day)
        watch("month", lambda: self._counts.month_posts, lambda: self._limits.posts_per_month)


def load(directory: Path) -> Counts:
    """The counts that the file holds; none where it is not there or cannot be read, which is logged."""
    try:
        return msgspec.json.decode((directory / NAME).read_bytes(), type=Counts)
    except FileNotFoundError:
        return Counts()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("spend: counting begins anew, since the file cannot be read", reason=str(error))
        return Counts()


def _name(period: str, at: float) -> str:
    """Of the day or month in which a time lies, in seconds since the epoch."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime(_PERIODS[period])
