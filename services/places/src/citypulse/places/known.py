"""The cities that X has named so far, by id, by name, and by where they are.

Each counts only for messages that came after the one that taught it, so that a message which is read once
more from the journal finds the same cities as the first time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from citypulse.places.box import Box, Cell, around, cell, cells, contains, width_degrees
from citypulse.places.names import comparable
from citypulse.places.place import Order, Place

WIDEST_DEGREES = 3.0
"""A box that is larger in either direction says nothing about where a city is."""


class KnownCities:
    """Cities of X. Not to be used by two threads at once."""

    def __init__(self) -> None:
        self.newest: Order = (-1, -1)
        """When the last one was learned; a message after it may use all of them."""
        self._by_id: dict[str, Place] = {}
        self._by_place: dict[str, list[Place]] = {}
        self._by_name: dict[tuple[str, str], list[Place]] = {}
        self._by_cell: defaultdict[tuple[str, Cell], list[Place]] = defaultdict(list)
        self._in_country: defaultdict[str, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._by_id.values())

    def add(self, city: Place) -> None:
        """Know one more; one that is known stays as it was learned first."""
        if city.city in self._by_id:
            return
        self._by_id[city.city] = city
        self._by_place.setdefault(city.id, []).append(city)
        self._by_name.setdefault((city.country, comparable(city.name)), []).append(city)
        if city.bbox is not None and _is_small(city.bbox):
            for square in cells(city.bbox):
                self._by_cell[city.country, square].append(city)
        self._in_country[city.country] += 1
        self.newest = max(self.newest, city.learned)

    def get(self, city_id: str) -> Place | None:
        """The city of an id, whenever it was learned."""
        return self._by_id.get(city_id)

    def in_country(self, country: str) -> int:
        """How many cities of a country are known: while that stays, so does what follows from them."""
        return self._in_country[country]

    def of_place(self, place_id: str, before: Order) -> list[Place]:
        """Cities of a place id: more than one where X named the place's country in some messages only."""
        return _learned(self._by_place.get(place_id, ()), before)

    def named(self, country: str, name: str, before: Order) -> list[Place]:
        """Cities of a country by their short name."""
        return _learned(self._by_name.get((country, comparable(name)), ()), before)

    def over(self, country: str, lat: float, lon: float, before: Order) -> list[Place]:
        """Cities of a country whose box holds a point."""
        near = _learned(self._by_cell.get((country, cell(lat, lon)), ()), before)
        return [city for city in near if city.bbox and contains(city.bbox, lat, lon)]

    def near(self, country: str, lat: float, lon: float, km: float, before: Order) -> Iterator[Place]:
        """Cities of a country that have something of their box in the cells around a point; each once."""
        seen: set[str] = set()
        for square in cells(around(lat, lon, km)):
            for city in _learned(self._by_cell.get((country, square), ()), before):
                if city.city not in seen:
                    seen.add(city.city)
                    yield city


def _is_small(bbox: Box) -> bool:
    return width_degrees(bbox) <= WIDEST_DEGREES and bbox[3] - bbox[1] <= WIDEST_DEGREES


def _learned(cities: Iterable[Place], before: Order) -> list[Place]:
    return [city for city in cities if city.learned < before]
