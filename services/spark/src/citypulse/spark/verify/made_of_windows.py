"""Hours and lists: what the ticker makes of the windows, and so some time after them. They are looked at
until they are right or the time is up."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.spans import Span
from citypulse.spark.verify import hourly, ranked, report, stored
from citypulse.spark.verify.compare import Comparison
from citypulse.spark.verify.stored import Rows
from citypulse.spark.verify.tally import Recount

_LOOK_SECONDS = 1.0
_PAUSES = 3
"""Of the ticker: so many of them what differs is given, for it may be read while it is written."""

Judged = hourly.Hours | ranked.Ranks


class _Look(NamedTuple):
    judged: Judged
    rows: dict[str, int]
    """How many each table has."""


class Made(NamedTuple):
    """What is held against what."""

    config: Config
    session: Session
    recount: Recount
    before: Rows
    """The rows of `country_windows` when the recount was made."""
    span: Span | None

    def compare(self, deadline: float | None, result: Comparison) -> Iterator[str]:
        """Compare, add to the result, and give what is to be told.

        Args:
            deadline: until this moment of the monotonic clock they may be behind their windows, but at least
                for some of the ticker's pauses; None: what is behind is not waited for.
        """
        if self.recount.first_at is None or self.recount.last_at is None:
            return
        for what, look in (("hours", self._hours), ("lists", self._lists)):
            now = time.monotonic()
            rolled = max(deadline or 0.0, now + _PAUSES * self.config.tick_seconds)
            last = _last(look, now if deadline is None else rolled, rolled)
            if last is None:
                result.behind += 1
                yield f"{what} were not compared: there is no such table yet"
                continue
            judged, rows = last
            result.rows.update(rows)
            result.cells += judged.cells
            result.differing += len(judged.differences)
            result.differences += judged.differences
            result.behind += len(judged.behind)
            if judged.behind:
                yield f"{len(judged.behind)} {what} are behind their windows, and were not compared"
            if judged.open:
                yield f"{len(judged.open)} {what} count what is open, and were not compared"
            if isinstance(judged, ranked.Ranks) and judged.old is not None:
                result.behind += 1
                yield f"{what} were compared as of {report.time(judged.old)}: they have not rolled on since"

    def _hours(self) -> _Look | None:
        assert self.recount.first_at is not None  # noqa: S101 - for mypy
        assert self.recount.last_at is not None  # noqa: S101 - for mypy
        hour = hourly.HOUR_MS
        # Where everything was recounted there are no other windows.
        every = self.recount.first_at // hour * hour, (self.recount.last_at // hour + 1) * hour
        span = self.span or every
        windows = stored.read_versions(self.session, self.config.keyspace, span)
        found = hourly.read(self.session, self.config, span)
        if found is None:
            return None
        judged = hourly.compare(self.recount, found, windows, self.before, span)
        return _Look(judged, {table: len(rows) for table, rows in found.items()})

    def _lists(self) -> _Look | None:
        found = ranked.read(self.session, self.config.keyspace)
        if found is None:
            return None
        windows = stored.read_versions(self.session, self.config.keyspace, self.span)
        now = ranked.moment(self.recount, time.time_ns() // 1_000_000, live=not self.config.run)
        judged = ranked.compare(self.recount, found, windows, self.before, self.span, now)
        return _Look(judged, {ranked.TABLE: len(found)})


def _last(look: Callable[[], _Look | None], behind: float, differing: float) -> _Look | None:
    """The first look that finds all of it right, or the last one; None where there are no such tables.

    Args:
        look: is called again and again.
        behind: until when something may be behind.
        differing: until when something may differ.
    """
    while True:
        found = look()
        if found is None:
            return None
        judged = found.judged
        until = differing if judged.differences else behind
        late = judged.behind or (isinstance(judged, ranked.Ranks) and judged.old is not None)
        if not (judged.differences or late) or time.monotonic() > until:
            return found
        time.sleep(_LOOK_SECONDS)
