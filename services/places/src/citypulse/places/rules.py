"""Which known city a place, or a point, belongs to. Each rule gives a city, or None where it can't tell.

A wrong city is worse than none: a rule that has two answers has none, and what the gazetteer contradicts does
not count.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from citypulse.places.box import Box, area_km2, bbox_centre, contains, distance_km, off_centre
from citypulse.places.gazetteer import Gazetteer, Town
from citypulse.places.known import KnownCities
from citypulse.places.names import comparable, within
from citypulse.places.place import Order, Place
from citypulse.places.post import XPlace

NEAR_KM = 15.0
"""How far a point without a city's box over it may be from a city's middle."""
CITY_PEOPLE_PER_KM2 = 500.0
"""An admin place whose box holds fewer people of the city that it is named after is a region, not the city:
Greater London's box has 3,000, that of the state of São Paulo 20."""
INNER = 0.3
"""How far off its middle, as a share of the way to the edge, a point is the smallest box's in any case."""
_EDGE = 0.1
"""Boxes of X are not of one hand: a neighborhood's middle may lie so much outside its city's box, as a share
of it."""


class Known(NamedTuple):
    """What a rule may look at."""

    country: str
    cities: KnownCities
    before: Order
    gazetteer: Gazetteer


def city_of(place: XPlace, known: Known) -> Place | None:
    """The city of a place that is no city itself, by the first rule that can tell."""
    for rule in _RULES.get(place.place_type, _SMALL):
        city = rule(place, known)
        if city is not None:
            return city
    return None


def contained(place: XPlace, known: Known) -> Place | None:
    """The known city that X says it is contained in; of several the one with the smallest box."""
    inside: list[Place] = []
    for place_id in place.containers():
        inside += known.cities.of_place(place_id, known.before)
    return _smallest([city for city in inside if city.country == known.country])


def namesake(place: XPlace, known: Known) -> Place | None:
    """For an admin place that is a city by its name and size, as `London, England`: the city place of it."""
    town = town_of(place, known)
    if town is None:
        return None
    names = {comparable(place.name), comparable(town.name)}
    same = [city for name in names for city in known.cities.named(known.country, name, known.before)]
    return _only(
        [city for city in same if city.bbox is None or contains(city.bbox, town.lat, town.lon, _EDGE)]
    )


def town_of(place: XPlace, known: Known) -> Town | None:
    """The city of the gazetteer that an admin place is, if it is one."""
    if place.bbox is None or known.gazetteer.is_state(known.country, place.name):
        return None
    towns = [
        town
        for town in known.gazetteer.named(known.country, place.name)
        if contains(place.bbox, town.lat, town.lon)
        and town.population >= CITY_PEOPLE_PER_KM2 * area_km2(place.bbox)
    ]
    return max(towns, key=lambda town: town.population, default=None)


def part_of(place: XPlace, known: Known) -> Place | None:
    """The city that the full name names: Toronto for `Scarborough, Toronto`."""
    name = within(place.full_name)
    cities = known.cities.named(known.country, name, known.before) if name else []
    if place.bbox is None:
        # Nothing tells namesakes apart: it must be known that there are none.
        return _only(cities) if len(known.gazetteer.named(known.country, name)) == 1 else None
    around = [city for city in cities if city.bbox and _holds(city.bbox, place.bbox)]
    if place.place_type == "admin":
        around = [city for city in around if city.bbox and area_km2(place.bbox) < area_km2(city.bbox)]
    return _smallest(around)


def middle(place: XPlace, known: Known) -> Place | None:
    """The city at the middle of a place's box, unless the place's full name names another."""
    if place.bbox is None:
        return None
    city = at_point(*bbox_centre(place.bbox), known)
    named = known.gazetteer.named(known.country, within(place.full_name))
    if city is None or not named or any(is_town(city, town, known.gazetteer) for town in named):
        return city
    return None


def at_point(lat: float, lon: float, known: Known) -> Place | None:
    """The city with the smallest box over a point, else the nearest; unless the gazetteer knows a city that
    explains the point better and is another one.
    """
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    towns = known.gazetteer.explains(known.country, lat, lon)
    over = known.cities.over(known.country, lat, lon, known.before)
    city = _smallest(over) if over else _nearest(lat, lon, known)
    if city is None or not all(is_town(city, town, known.gazetteer) for town in towns):
        return None
    # Boxes overlap where cities do not: at the edge of the smallest a point may be another's.
    off = {one.city: off_centre(one.bbox, lat, lon) for one in over if one.bbox is not None}
    return city if not off or off[city.city] <= max(INNER, min(off.values())) else None


def is_town(city: Place, town: Town, gazetteer: Gazetteer) -> bool:
    """Whether a city of X and one of the gazetteer may be the same.

    A city that the gazetteer knows by its name is that one; else it may be any that its box holds.
    """
    if city.bbox is None:
        return comparable(city.name) == comparable(town.name)
    same = [one for one in gazetteer.named(city.country, city.name) if contains(city.bbox, one.lat, one.lon)]
    return town in same if same else contains(city.bbox, town.lat, town.lon)


_SMALL = contained, part_of, middle
"""Places that lie within one city."""
_RULES: dict[str, tuple[Callable[[XPlace, Known], Place | None], ...]] = {
    "country": (),
    # An admin place may be a whole region, in whose middle any city may lie.
    "admin": (contained, namesake, part_of),
}


def _nearest(lat: float, lon: float, known: Known) -> Place | None:
    best: tuple[float, Place] | None = None
    for city in known.cities.near(known.country, lat, lon, NEAR_KM, known.before):
        if city.lat is not None and city.lon is not None:
            km = distance_km(lat, lon, city.lat, city.lon)
            if km <= NEAR_KM and (best is None or km < best[0]):
                best = km, city
    return best and best[1]


def _holds(outer: Box, inner: Box) -> bool:
    return contains(outer, *bbox_centre(inner), grown=_EDGE)


def _smallest(cities: Iterable[Place]) -> Place | None:
    """The one with the smallest box; where some have none, only a single one."""
    distinct = list({city.city: city for city in cities}.values())
    if len(distinct) <= 1:
        return distinct[0] if distinct else None
    boxed = [(area_km2(city.bbox), city.city, city) for city in distinct if city.bbox is not None]
    return min(boxed)[2] if len(boxed) == len(distinct) else None


def _only(cities: Iterable[Place]) -> Place | None:
    distinct = {city.city: city for city in cities}
    return next(iter(distinct.values())) if len(distinct) == 1 else None
