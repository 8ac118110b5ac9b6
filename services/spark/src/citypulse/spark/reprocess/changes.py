"""Recounted cells against the rows that are there: what is to be written, what to be removed, and by how much
the numbers change."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

CellKey = tuple[str, str, str, int]
"""Feed, country, city id (empty for a whole country), start of the window in ms."""
FeedCountry = tuple[str, str]
Cell = Mapping[str, Any]
"""A row of the query's result."""
Row = Mapping[str, Any]

COUNTS = ("tweets", "originals", "replies", "quotes", "retweets", "active_users")
EXACT_USERS = 4096
"""Up to so many users the bytes of a sketch say who they are; beyond, the same users may have others."""


class Before(msgspec.Struct):
    """The rows of a cell."""

    row: Row | None = None
    """Of `city_windows` or `country_windows`."""
    by_country: Row | None = None
    """Of `windows_by_country`; a whole country has none."""

    @property
    def written(self) -> int:
        """The newest timestamp of its counts, in microseconds; 0 where there are none."""
        return max((row["written"] or 0 for row in (self.row, self.by_country) if row), default=0)


class Changes(msgspec.Struct):
    """What a recount changes."""

    write: list[Cell] = msgspec.field(default_factory=list)
    remove: dict[CellKey, Before] = msgspec.field(default_factory=dict)
    newer: set[CellKey] = msgspec.field(default_factory=set)
    """Cells that differ, but were written after the recount began."""
    told: dict[FeedCountry, "Told"] = msgspec.field(default_factory=dict)

    def of(self, feed: str, country: str) -> "Told":
        """What is told of a feed and country."""
        return self.told.setdefault((feed, country), Told())


class Told(msgspec.Struct):
    """How much changed in the cells of a feed and country."""

    cells: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    tweets: int = 0
    """How many more tweets the country has (not its cities, which would count them again)."""
    retweets: int = 0
    windows: set[int] = msgspec.field(default_factory=set)
    """Starts of the windows that changed, in ms."""

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return bool(self.changed or self.added or self.removed)


def find(cells: Iterable[Cell], there: Mapping[CellKey, Before], stamp: int) -> Changes:
    """Compare them.

    Args:
        cells: all that the recount found in some windows.
        there: all rows of the same windows.
        stamp: the recount's timestamp, in microseconds.
    """
    result = Changes()
    found: set[CellKey] = set()
    for cell in cells:
        key = (cell["feed"], cell["country"], cell["city_id"] or "", cell["window_start"])
        found.add(key)
        before = there.get(key, Before())
        told = result.of(key[0], key[1])
        told.cells += 1
        if _same(cell, before, is_city=bool(key[2])):
            continue
        if before.written >= stamp:
            result.newer.add(key)
            continue
        result.write.append(cell)
        told.windows.add(key[3])
        told.added += before.row is None
        told.changed += before.row is not None
        _add(told, key, cell, before.row)
    for key, before in there.items():
        if key in found or _says_nothing(before):
            continue
        if before.written >= stamp:
            result.newer.add(key)
            continue
        told = result.of(key[0], key[1])
        result.remove[key] = before
        told.removed += 1
        told.windows.add(key[3])
        _add(told, key, {}, before.row)
    return result


def merge(into: dict[FeedCountry, Told], told: Mapping[FeedCountry, Told]) -> None:
    """Add what other windows changed."""
    for key, more in told.items():
        one = into.setdefault(key, Told())
        for name in ("cells", "changed", "added", "removed", "tweets", "retweets"):
            setattr(one, name, getattr(one, name) + getattr(more, name))
        one.windows |= more.windows


def _same(cell: Cell, before: Before, *, is_city: bool) -> bool:
    if before.row is None or (is_city and before.by_country is None):
        return False
    names = COUNTS if is_city else (*COUNTS, "unresolved")
    if any(before.row[name] != cell[name] for name in names):
        return False
    if is_city and any(before.by_country[name] != cell[name] for name in COUNTS):  # type: ignore[index]
        return False
    if cell["active_users"] > EXACT_USERS:
        return True
    return bytes(before.row["users_sketch"] or b"") == bytes(cell["users_sketch"] or b"")


def _says_nothing(before: Before) -> bool:
    """Whether it is there for its `gap_seconds` alone."""
    return before.by_country is None and before.row is not None and before.row["tweets"] is None


def _add(told: Told, key: CellKey, after: Cell, before: Row | None) -> None:
    if key[2]:
        return
    told.tweets += after.get("tweets", 0) - ((before and before["tweets"]) or 0)
    told.retweets += after.get("retweets", 0) - ((before and before["retweets"]) or 0)
