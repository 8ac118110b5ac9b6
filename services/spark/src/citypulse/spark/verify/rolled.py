"""Hours and ranks once more, from windows whose users are sets: plain Python, nothing shared with the
ticker.

A span is counted from its windows, one by one; distinct users are the union of sets. The order of a list is
that of one sort by value (greatest first), then by name, cities without a name last, then by city id.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from citypulse.spark.verify.stored import Rows

_WINDOW = 300_000
_HOUR = 3_600_000
_DAY = 86_400_000
_LENGTHS = {"window": _WINDOW, "hour": _HOUR, "day": _DAY}
_FROM_EACH_END = 1000

_ALL_COUNTRIES = "*"
_NUMBERS = ("tweets", "originals", "replies", "quotes", "retweets")


class Cell(Protocol):
    """What a recount found in a window."""

    tweets: int
    originals: int
    replies: int
    quotes: int
    retweets: int
    unresolved: int
    users: set[int]


class City(Protocol):
    """What a recount knows of a city."""

    @property
    def name(self) -> str | None:
        """As it is shown."""

    lat: float | None
    lon: float | None


CityKey = tuple[str, str]
"""Country, city id."""
CellKey = tuple[str, str, str, int]
"""Feed, country, city id (empty for a whole country), start of the window in ms."""
Cells = Mapping[CellKey, Cell]


def hours(cells: Cells, cities: Mapping[CityKey, City]) -> dict[str, Rows]:
    """The rows that `city_hours` and `country_hours` must have. A `users_sketch` stands here as the number of
    its users."""
    together: dict[CellKey, list[Cell]] = defaultdict(list)
    for (feed, country, city_id, start), cell in cells.items():
        together[feed, country, city_id, start - start % _HOUR].append(cell)
    tables: dict[str, Rows] = {"city_hours": {}, "country_hours": {}}
    for (feed, country, city_id, hour), some in together.items():
        row = _counts(some) | {"unresolved": sum(cell.unresolved for cell in some)}
        row["users_sketch"] = row["active_users"]
        if city_id:
            tables["city_hours"][feed, country, city_id, hour] = row | _named(cities, (country, city_id))
        else:
            tables["country_hours"][feed, country, hour] = row
    return tables


def ranks(cells: Cells, cities: Mapping[CityKey, City], now: int) -> Rows:
    """The rows that `city_ranks` must have at a moment (ms since the epoch).

    That is the wall clock; for a named run whose newest window ended more than a day ago, the last ms of
    that window.
    """
    running = now - now % _WINDOW + _WINDOW
    result: Rows = {}
    first: dict[str, int] = {}
    of_cities: dict[tuple[str, str], dict[CellKey, Cell]] = defaultdict(dict)
    for key, cell in cells.items():
        feed, country, city_id, start = key
        if city_id:
            of_cities[feed, country][key] = of_cities[feed, _ALL_COUNTRIES][key] = cell
        elif country == _ALL_COUNTRIES:
            first[feed] = min(start, first.get(feed, start))
    for (feed, country), mine in of_cities.items():
        for span, length in _LENGTHS.items():
            for metric in ("tweets", "retweets", "active_users", "change"):
                end = running - _WINDOW if span == "window" or metric == "change" else running
                rows = _list(mine, cities, metric, end - length, end, first[feed])
                for number, row in enumerate(rows, 1):
                    result[feed, country, metric, span, number] = row
    return result


def _list(
    cells: Cells,
    cities: Mapping[CityKey, City],
    metric: str,
    begin: int,
    end: int,
    first: int,
) -> list[dict[str, Any]]:
    """The rows of one list, in their order."""
    spanned = _spanned(cells, begin, end)
    if metric == "change":
        if first > begin - _DAY:
            return []
        before = _spanned(cells, begin - _DAY, end - _DAY)
        values = {
            city: _tweets(spanned.get(city, ())) - _tweets(before.get(city, ()))
            for city in spanned.keys() | before.keys()
        }
    else:
        values = {city: _counts(some)[metric] for city, some in spanned.items()}
    rows = []
    for city, value in values.items():
        row = _counts(spanned.get(city, ())) | _named(cities, city)
        rows.append(row | {"value": value, "city_id": city[1], "span_start": begin, "span_end": end})
    rows.sort(key=lambda row: row["city_id"])
    rows.sort(key=lambda row: row["name"] or "")
    rows.sort(key=lambda row: not row["name"])
    rows.sort(key=lambda row: row["value"], reverse=True)
    for number, row in enumerate(rows, 1):
        row["position"] = number
        row["cities"] = len(rows)
    if len(rows) > 2 * _FROM_EACH_END:
        del rows[_FROM_EACH_END:-_FROM_EACH_END]
    return rows


def _spanned(cells: Cells, begin: int, end: int) -> dict[CityKey, list[Cell]]:
    """The windows of each city that start within a time."""
    found: dict[CityKey, list[Cell]] = defaultdict(list)
    for (_, country, city_id, start), cell in cells.items():
        if begin <= start < end:
            found[country, city_id].append(cell)
    return found


def _tweets(cells: Sequence[Cell]) -> int:
    return sum(cell.tweets for cell in cells)


def _counts(cells: Sequence[Cell]) -> dict[str, Any]:
    counts: dict[str, Any] = {name: sum(getattr(cell, name) for cell in cells) for name in _NUMBERS}
    return counts | {"active_users": len(set[int]().union(*(cell.users for cell in cells)))}


def _named(cities: Mapping[CityKey, City], key: CityKey) -> dict[str, Any]:
    city = cities.get(key)
    if city is None:
        return {"name": None, "lat": None, "lon": None}
    return {"name": city.name or None, "lat": city.lat, "lon": city.lon}
