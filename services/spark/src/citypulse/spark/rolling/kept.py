"""What the ticker keeps of one feed and country: the hours and windows that its spans are made of.

Whole hours within the last two days are kept merged; single windows only where a span begins or ends, and
those of the last two hours, which still change. So a city that tweets all the time costs some 120 cells and
not the 576 windows of two days.
"""

from collections.abc import Mapping

from citypulse.spark.rolling.cells import Cell
from citypulse.spark.rolling.hours import Hour, Hours, State, Stored, merge_country, merge_windows, states
from citypulse.spark.rolling.spans import HOUR_MS, WINDOW_MS, Need, Range, cover, hour_of, windows_of
from citypulse.spark.rolling.windows import ALL_COUNTRIES, City, Pair, Reader, Version, Windows

_HOURS_AT_A_TIME = 6
"""So many are read together at a start: the more, the fewer reads, but all of their windows are in memory."""

_SLACK_MS = 15 * 60_000
"""So much before its age says so a window may be gone: Cassandra counts its age in seconds from the time at
which it was written, and a look takes time. Nobody removes a window that is about to go."""


class Kept:
    """The cells of one feed and country. For `*`, which has no cities of its own, only hours are written."""

    def __init__(self, pair: Pair, reader: Reader, hours: Hours, windows_ttl_ms: int) -> None:
        self.pair = pair
        self.hours: dict[int, Hour] = {}
        self.windows: Windows = {}
        self._reader, self._hours, self._ttl = reader, hours, windows_ttl_ms
        self._versions: dict[int, Version] | None = None
        self._stored: dict[int, Stored] = {}
        self._half: set[int] = set()
        """Hours that were left unsettled here, since a batch was being written."""

    @property
    def cells(self) -> int:
        """How many are kept."""
        return sum(map(len, self.hours.values())) + sum(map(len, self.windows.values()))

    def refresh(self, found: dict[int, Version], need: Need, clock: int) -> int:
        """Read what changed, and write the hours it is in; returns how many of these there were.

        When this raises, nothing is taken as done, and the next time tries again.

        Args:
            found: the versions of all windows that are in the tables now.
            need: what is to be kept.
            clock: the wall clock in ms.
        """
        if self._versions is None:
            # Hours that have lost all of their windows are among them.
            self._stored = self._hours.stored(self.pair, min([*found, clock - self._ttl]))
            changed: set[int] = set()
            stale = self._stale(states(found), clock)
        else:
            changed = self._changed(self._versions, found, clock)
            stale = {hour_of(start) for start in changed}
        for hour in sorted(stale, reverse=True):
            if not self._expiring(hour, clock):
                self._rewrite(hour, found, changed, need)
        self._load(found, need)
        self._forget(need)
        self._versions = found
        return len(stale)

    def total(self, span: Range) -> dict[City, Cell]:
        """The cities of a range that was needed, without sketches."""
        parts = cover(span)
        hours = [self.hours.get(hour, {}) for hour in parts.hours]
        return merge_windows([*hours, *(self.windows.get(start, {}) for start in parts.windows)], False)

    def _changed(self, before: dict[int, Version], found: dict[int, Version], clock: int) -> set[int]:
        changed = {start for start, version in found.items() if before.get(start) != version}
        # What is older than windows are kept was not removed: it expired, a row's counts at times before what
        # was put right later in it.
        gone = before.keys() - found.keys()
        gone |= {start for start in changed & before.keys() if before[start].counted > found[start].counted}
        expired = {start for start in gone if self._old(max(before[start].updated_at, start), clock)}
        return (changed | gone) - expired

    def _stale(self, merged: Mapping[int, State], clock: int) -> set[int]:
        """At a start: hours that are not what their windows say, and those that were left unsettled."""
        stored = {hour: one.state for hour, one in self._stored.items()}
        stale = {hour for hour, state in stored.items() if not state.updated_at and hour not in merged}
        for hour, state in merged.items():
            there = stored.get(hour)
            # Of an hour with old windows some are gone: only what was written since can have changed it.
            same = there is not None and there.updated_at == state.updated_at
            if there != state and not (same and self._old(hour, clock)):
                stale.add(hour)
        return stale

    def _old(self, at: int, clock: int) -> bool:
        return at + self._ttl <= clock + _SLACK_MS

    def _expiring(self, hour: int, clock: int) -> bool:
        """Whether windows of an hour may be gone by their age, so that it can only get less by merging."""
        stored = self._stored.get(hour)
        return stored is not None and self._old(max(hour, stored.age_from), clock)

    def _rewrite(self, hour: int, found: dict[int, Version], changed: set[int], need: Need) -> None:
        cities: Hour = {}
        present = [start for start in windows_of(hour) if start in found]
        there = self._hours.stored(self.pair, hour, hour).get(hour) if self._versions is not None else None
        # A recount is changing its windows, or has died over it: nothing of it is known, and the mark stays.
        # One of which nothing was counted yet, for it began in a gap, has no time either.
        marked = (
            there is not None and there.written > 0 and not there.state.updated_at and hour not in self._half
        )
        if self.pair.country != ALL_COUNTRIES:
            fresh = [
                start
                for start in present
                if marked or start in changed or start not in self.windows or start < need.users_from
            ]
            windows = self.windows | self._reader.cities(self.pair, fresh, self.windows, 0)
            cities = merge_windows(windows[start] for start in present)
            self.windows = {start: one for start, one in windows.items() if start in need.windows}
        rows = self._reader.country(self.pair, hour, hour + HOUR_MS - WINDOW_MS)
        country = merge_country(rows[start] for start in sorted(rows)) if rows else None
        before: dict[City, Cell | None] = {**self.hours.get(hour, {})}
        if marked or (hour not in self.hours and hour in self._stored) or not present:
            # The table may have cities that no window has any more.
            before.update(self._hours.unlisted(self.pair, hour, cities))
        settled = {start: row.cell.updated_at for start, row in rows.items()} == {
            start: found[start].updated_at for start in present if found[start].settled
        }
        stored = self._stored.get(hour)
        if not settled and not marked:
            # Before it is written: should that fail, the row may be there all the same.
            self._half.add(hour)
        self._hours.write(self.pair, hour, cities, country, before, stored, settled and not marked)
        if settled:
            self._half.discard(hour)
        if self._keeps(hour, need):
            self.hours[hour] = cities
        for start in set(windows_of(hour)) - set(present):
            self.windows.pop(start, None)
        state = states({start: found[start] for start in present}).get(hour)
        if state:
            self._stored[hour] = Stored(state, state.updated_at)
        else:
            self._stored.pop(hour, None)

    def _load(self, found: dict[int, Version], need: Need) -> None:
        if self.pair.country == ALL_COUNTRIES:
            return
        missing = sorted(hour for hour in need.hours if hour not in self.hours)
        for first in range(0, len(missing), _HOURS_AT_A_TIME):
            hours = missing[first : first + _HOURS_AT_A_TIME]
            starts = [start for hour in hours for start in windows_of(hour) if start in found]
            read = self._reader.cities(self.pair, starts, self.windows, need.users_from)
            for hour in hours:
                users = hour >= need.users_from
                self.hours[hour] = merge_windows((read.get(start, {}) for start in windows_of(hour)), users)
            self.windows.update({start: read[start] for start in read if start in need.windows})
        windows = [start for start in need.windows if start in found and start not in self.windows]
        self.windows.update(self._reader.cities(self.pair, windows, self.windows, need.users_from))

    @staticmethod
    def _keeps(hour: int, need: Need) -> bool:
        # An hour at an edge is kept as well: what it was tells which of its rows to write.
        return hour in need.hours or not need.windows.isdisjoint(windows_of(hour))

    def _forget(self, need: Need) -> None:
        self.hours = {hour: cities for hour, cities in self.hours.items() if self._keeps(hour, need)}
        self.windows = {start: cities for start, cities in self.windows.items() if start in need.windows}
        for hour, cities in self.hours.items():
            if hour < need.users_from:
                for cell in cities.values():
                    cell.sketch = b""
