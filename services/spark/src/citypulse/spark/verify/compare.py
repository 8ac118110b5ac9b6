"""Recount against tables, cell by cell."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from citypulse.spark.verify.stored import COLUMNS, Key, Rows, sketch_estimate
from citypulse.spark.verify.tally import Cell, City, Recount

EXACT_USERS = 4096
"""Up to so many distinct users of a cell, their number is exact."""
TOLERANCE = 0.05
"""Beyond, it may be off by this share: three times the standard error of 1.6 %."""

_USERS = ("active_users", "users_sketch")


class Between(NamedTuple):
    """What an open cell may say: any value from the first to the last; null is no bound."""

    low: int | None
    high: int | None

    def __str__(self) -> str:
        """As it is shown: `3 to 5`."""
        return f"{'…' if self.low is None else self.low} to {'…' if self.high is None else self.high}"


class Difference(msgspec.Struct, frozen=True):
    """One cell that is not as it must be."""

    table: str
    key: Key
    column: str
    """Empty where the whole row is missing, or should not be there."""
    expected: Any
    found: Any


class Comparison(msgspec.Struct):
    """What was compared, and how it came out."""

    rows: dict[str, int] = msgspec.field(default_factory=dict)
    """Rows of each table."""
    cells: int = 0
    """Values compared; a row that is missing, or too many, counts with all its columns."""
    within_tolerance: int = 0
    """Of them, those beyond `EXACT_USERS`, judged by `TOLERANCE`."""
    between: int = 0
    """Of them, those that are open, judged by the least and most that they may be."""
    differing: int = 0
    differences: list[Difference] = msgspec.field(default_factory=list)
    behind: int = 0
    """Hours and lists that are yet to be written again, of their windows or of the present moment."""


class Wanted(msgspec.Struct):
    """The rows that the tables must have."""

    rows: dict[str, Rows]
    """By table. A `users_sketch` stands here as the number of its users."""
    optional: dict[str, set[Key]] = msgspec.field(default_factory=dict)
    """Of them, those that may be missing, because nothing in them is settled."""


def expected(recount: Recount, *, all_history: bool = True) -> Wanted:
    """The rows that the tables must have.

    Args:
        recount: whose cells are wanted; a cell with something open may be anything between.
        all_history: whether it knows every tweet that was ever counted. Else a city may have been seen
            earlier and later than it knows.
    """
    rows: dict[str, Rows] = {table: {} for table in COLUMNS}
    optional: dict[str, set[Key]] = {table: set() for table in COLUMNS}
    for (feed, country, city_id, start), cell in recount.cells.items():
        settled = recount.settled.get((feed, country, city_id, start))
        counts = _counts(cell) if settled is None else _between(_counts(settled), _counts(cell))
        empty = settled is not None and not settled.tweets and not settled.retweets
        if city_id:
            city = recount.cities.get((country, city_id)) or City(None, None, None)
            row = counts | {"name": city.name, "lat": city.lat, "lon": city.lon}
            keys: dict[str, Key] = {
                "city_windows": (feed, country, city_id, start),
                "windows_by_country": (feed, country, start, city_id),
            }
        else:
            row = counts
            keys = {"country_windows": (feed, country, start)}
        for table, key in keys.items():
            rows[table][key] = row
            if empty:
                optional[table].add(key)
    for city_key, city in recount.cities.items():
        if city.first_seen is None:
            # Only retweets of what was posted there.
            continue
        rows["cities"][city_key] = _city(city, all_history)
        if city.settled_first is None:
            optional["cities"].add(city_key)
    return Wanted(rows, optional)


def compare(
    wanted: Wanted, found: Mapping[str, Rows], tables: Collection[str] = tuple(COLUMNS)
) -> Comparison:
    """Every filled column of every row of both sides, in these tables."""
    result = Comparison()
    for table in tables:
        columns, rows, have = COLUMNS[table], wanted.rows[table], found[table]
        result.rows[table] = len(have)
        for key in sorted(rows.keys() | have.keys()):
            if key not in have and key in wanted.optional.get(table, ()):
                continue
            result.cells += len(columns)
            if key not in rows or key not in have:
                result.differing += len(columns)
                shown = ("a row", "no row") if key in rows else ("no row", "a row")
                result.differences.append(Difference(table, key, "", *shown))
                continue
            for column in columns:
                if not _equal(column, rows[key], have[key], result):
                    result.differing += 1
                    value = have[key][column]
                    result.differences.append(
                        Difference(
                            table,
                            key,
                            column,
                            rows[key].get(column, "a time"),
                            sketch_estimate(value or b"") if column == "users_sketch" else value,
                        )
                    )
    return result


def _counts(cell: Cell) -> dict[str, Any]:
    users = len(cell.users)
    return {
        "tweets": cell.tweets,
        "originals": cell.originals,
        "replies": cell.replies,
        "quotes": cell.quotes,
        "retweets": cell.retweets,
        "unresolved": cell.unresolved,
        "active_users": users,
        "users_sketch": users,
    }


def _between(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    return {name: high[name] if low[name] == high[name] else Between(low[name], high[name]) for name in high}


def _city(city: City, all_history: bool) -> dict[str, Any]:
    row = {"name": city.name, "lat": city.lat, "lon": city.lon}
    settled = (city.settled_first, city.settled_last)
    if all_history and settled == (city.first_seen, city.last_seen):
        return row | {"first_seen": city.first_seen, "last_seen": city.last_seen}
    return row | {
        "first_seen": Between(city.first_seen if all_history else None, city.settled_first),
        "last_seen": Between(city.settled_last, city.last_seen if all_history else None),
    }


def _equal(column: str, want: dict[str, Any], have: dict[str, Any], result: Comparison) -> bool:
    value = have[column]
    if column == "updated_at":
        return value is not None
    goal = want[column]
    if column == "users_sketch":
        value = sketch_estimate(value or b"")
    if isinstance(goal, Between):
        result.between += 1
    elif column not in _USERS or goal <= EXACT_USERS:
        return bool(value == goal)
    if value is None:
        return False
    low, high = goal if isinstance(goal, Between) else (goal, goal)
    if column in _USERS and high is not None and low is not None and high > EXACT_USERS:
        result.within_tolerance += 1
        low, high = low * (1 - TOLERANCE), high * (1 + TOLERANCE)
    return (low is None or low <= value) and (high is None or value <= high)
