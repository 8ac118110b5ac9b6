"""Recount against tables, cell by cell."""

from typing import Any

import msgspec

from citypulse.spark.verify.recount import Cell, Recount
from citypulse.spark.verify.stored import COLUMNS, Key, Rows, sketch_estimate

EXACT_USERS = 4096
"""Up to so many distinct users of a cell, their number is exact."""
TOLERANCE = 0.05
"""Beyond, it may be off by this share: three times the standard error of 1.6 %."""


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
    differing: int = 0
    differences: list[Difference] = msgspec.field(default_factory=list)


def expected(recount: Recount) -> dict[str, Rows]:
    """The rows that the tables must have. A `users_sketch` stands here as the number of its users."""
    tables: dict[str, Rows] = {table: {} for table in COLUMNS}
    for (feed, country, city_id, start), cell in recount.cells.items():
        counts = _counts(cell)
        if not city_id:
            tables["country_windows"][feed, country, start] = counts | {"unresolved": cell.unresolved}
            continue
        city = recount.cities[country, city_id]
        row = counts | {"name": city.name, "lat": city.lat, "lon": city.lon}
        tables["city_windows"][feed, country, city_id, start] = row
        tables["windows_by_country"][feed, country, start, city_id] = row
    for key, city in recount.cities.items():
        tables["cities"][key] = msgspec.structs.asdict(city)
    return tables


def compare(wanted: dict[str, Rows], found: dict[str, Rows]) -> Comparison:
    """Every filled column of every row of both sides."""
    result = Comparison()
    for table, columns in COLUMNS.items():
        result.rows[table] = len(found[table])
        for key in sorted(wanted[table].keys() | found[table].keys()):
            want, have = wanted[table].get(key), found[table].get(key)
            result.cells += len(columns)
            if want is None or have is None:
                result.differing += len(columns)
                shown = ("no row", "a row") if want is None else ("a row", "no row")
                result.differences.append(Difference(table, key, "", *shown))
                continue
            for column in columns:
                if not _equal(column, want, have, result):
                    result.differing += 1
                    shown_want = want.get(column, "a time")
                    shown_have = (
                        have[column] if column != "users_sketch" else sketch_estimate(have[column] or b"")
                    )
                    result.differences.append(Difference(table, key, column, shown_want, shown_have))
    return result


def _counts(cell: Cell) -> dict[str, Any]:
    users = len(cell.users)
    return {
        "tweets": cell.tweets,
        "originals": cell.originals,
        "replies": cell.replies,
        "quotes": cell.quotes,
        "active_users": users,
        "users_sketch": users,
    }


def _equal(column: str, want: dict[str, Any], have: dict[str, Any], result: Comparison) -> bool:
    value = have[column]
    if column == "updated_at":
        return value is not None
    if column not in ("active_users", "users_sketch"):
        return bool(value == want[column])
    users = want[column]
    estimate = sketch_estimate(value or b"") if column == "users_sketch" else value
    if estimate is None:
        return False
    if users <= EXACT_USERS:
        return bool(estimate == users)
    result.within_tolerance += 1
    return bool(abs(estimate - users) <= TOLERANCE * users)
