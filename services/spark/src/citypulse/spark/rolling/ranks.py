"""Cities in order: pure functions from counts to the rows of a list.

One order serves both ends: greater values first, among equal ones by name, then by id, and cities without a
name last. The last cities are read from the end of the list, so they stand in the same order turned round.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from citypulse.spark.rolling.cells import NOTHING, Cell

END = 1_000
"""A list keeps at most so many cities from each end."""

METRICS = ("tweets", "retweets", "active_users", "change")

CityKey = tuple[str, str]
"""Country, city id."""
Named = tuple[str | None, float | None, float | None]
"""Name, latitude, longitude."""
UNNAMED: Named = (None, None, None)


class Ranked(NamedTuple):
    """A row of a list, in the order of the table's columns; its rank is its place in the list, from 1."""

    position: int
    """Its place among all cities, from 1; the rank too, unless cities between were left out."""
    value: int
    city_id: str
    name: str | None
    lat: float | None
    lon: float | None
    tweets: int
    originals: int
    replies: int
    quotes: int
    retweets: int | None
    active_users: int


def by_metric(metric: str, cells: Mapping[CityKey, Cell]) -> dict[CityKey, int]:
    """Values of the cities that were seen; where nobody counted retweets, there are none to rank."""
    values = ((key, getattr(cell, metric)) for key, cell in cells.items())
    return {key: value for key, value in values if value is not None}


def by_change(cells: Mapping[CityKey, Cell], before: Mapping[CityKey, int]) -> dict[CityKey, int]:
    """How many tweets more than the day before; a city that was seen on one of both days has a change."""
    return {key: cells.get(key, NOTHING).tweets - before.get(key, 0) for key in cells.keys() | before.keys()}


def rank(
    values: Mapping[CityKey, int], cells: Mapping[CityKey, Cell], names: Mapping[CityKey, Named]
) -> list[Ranked]:
    """The rows of a list, first to last.

    Args:
        values: by which the cities stand in order; those and no others are in the list.
        cells: their counts; a city that is not there counted nothing.
        names: what they are called.
    """
    order = sorted(values, key=lambda key: _place(values[key], names.get(key, UNNAMED)[0], key))
    return [
        _row(position, values[order[position - 1]], order[position - 1], cells, names)
        for position in _kept(len(order))
    ]


def _place(value: int, name: str | None, key: CityKey) -> tuple[int, bool, str, str, str]:
    return -value, not name, name or "", key[1], key[0]


def _kept(length: int) -> Iterable[int]:
    if length <= 2 * END:
        return range(1, length + 1)
    return (*range(1, END + 1), *range(length - END + 1, length + 1))


def _row(
    position: int,
    value: int,
    key: CityKey,
    cells: Mapping[CityKey, Cell],
    names: Mapping[CityKey, Named],
) -> Ranked:
    cell = cells.get(key, NOTHING)
    return Ranked(
        position,
        value,
        key[1],
        *names.get(key, UNNAMED),
        cell.tweets,
        cell.originals,
        cell.replies,
        cell.quotes,
        cell.retweets,
        cell.active_users,
    )
