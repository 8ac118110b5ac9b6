"""Where a post counts: its country, and its city if that can be told.

    resolver = Resolver(geonames())
    resolver.learn(places)                      # what the topic of places holds
    for number, (geo, places, country, at) in enumerate(messages):
        location = resolver.locate(geo, places, country, at, (0, number))

The cities that are known grow with the messages, so a place that could not be resolved may be resolved later.
Given the same messages in the same order, the same cities come out: a message is resolved with what those
before it taught, and with nothing else, also when it is read again after later ones.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from citypulse.places.box import bbox_centre
from citypulse.places.gazetteer import Gazetteer
from citypulse.places.known import KnownCities
from citypulse.places.place import UNKNOWN_COUNTRY, Order, Place, city_id
from citypulse.places.post import Geo, XPlace
from citypulse.places.rules import Known, at_point, city_of, town_of
from citypulse.places.shown import latin_names, names

PATIENCE_MS = 3_600_000
"""An admin place that is a city by name and size is one of its own once X has named no city place of it for
so long, in event time, since it was first seen."""
_REMEMBERED = 200_000
"""Places that are no city and whose city is remembered."""


class Location(NamedTuple):
    """Where a post is."""

    place_id: str | None
    country: str | None
    """ISO 3166-1 alpha-2 code, `ZZ` where nobody names it; None where the post has no place."""
    city: Place | None
    lat: float | None
    """Degrees north: the post's own coordinates, else the middle of its place."""
    lon: float | None
    type: str
    """Of the place: as X calls it, `unknown` where its object is missing, empty without a place."""


class Resolver:
    """Resolves places to cities. Not to be used by two threads at once."""

    def __init__(self, gazetteer: Gazetteer | None = None, *, latin_names: bool = False) -> None:
        """Begin without a city of X.

        Args:
            gazetteer: what else is known; none knows nothing.
            latin_names: whether a city that X first named in other letters is shown in Latin ones.
        """
        self._latin_names = latin_names
        self._gazetteer = Gazetteer() if gazetteer is None else gazetteer
        self._known = KnownCities()
        self._remembered: dict[tuple[str, str, str], tuple[int, Place | None]] = {}
        self._waiting: dict[str, int] = {}

    def __len__(self) -> int:
        """How many cities of X are known."""
        return len(self._known)

    def learn(self, cities: Iterable[Place]) -> None:
        """Know these too, each for messages after it was learned."""
        for city in cities:
            self._known.add(city)

    def cities(self) -> Iterable[Place]:
        """The cities of X that are known, in the order in which they were learned."""
        return self._known

    def locate(
        self, geo: Geo | None, places: Sequence[XPlace], country: str, at: int, order: Order
    ) -> Location:
        """Where a post is. Learns the city that it may name.

        Args:
            geo: of the post.
            places: `includes.places` of its message.
            country: that the matching rules name, for a place that names none; else `ZZ`.
            at: creation of the post, in ms since the epoch.
            order: of the message.
        """
        if geo is None:
            return _NOWHERE
        point = geo.coordinates.coordinates if geo.coordinates is not None else None
        place_id = geo.place_id
        if not place_id:
            return _NOWHERE if point is None else _NOWHERE._replace(lat=point[1], lon=point[0])
        place = _find(place_id, places)
        if place is None:
            location = self._by_id(place_id, country, order)
        else:
            location = self._by_object(place, country, at, order, point)
        return location if point is None else location._replace(lat=point[1], lon=point[0])

    def _by_id(self, place_id: str, country: str, order: Order) -> Location:
        city = self._same_place(place_id, country, order)
        if city is None:
            return Location(place_id, country, None, None, None, "unknown")
        return Location(place_id, city.country, city, city.lat, city.lon, city.type)

    def _by_object(
        self, place: XPlace, country: str, at: int, order: Order, point: tuple[float, float] | None
    ) -> Location:
        named = place.country_code.upper()
        if not named:
            known = self._same_place(place.id, country, order)
            named = known.country if known is not None else country
        bbox = place.bbox
        lat, lon = bbox_centre(bbox) if bbox is not None else (None, None)
        city: Place | None
        if place.place_type == "city":
            city = self._city(place, named, at, order)
        else:
            city = self._city_of(place, named, at, order, point)
        return Location(place.id, named, city, lat, lon, place.place_type)

    def _same_place(self, place_id: str, country: str, order: Order) -> Place | None:
        """The known city of a place whose country the message does not say."""
        cities = self._known.of_place(place_id, order)
        here = [city for city in cities if city.country == country]
        if not here:
            here = [city for city in cities if city.country != UNKNOWN_COUNTRY]
        return here[0] if len(here) == 1 else None

    def _city(self, place: XPlace, country: str, at: int, order: Order) -> Place:
        """The place as a city of its own."""
        key = city_id(country, place.id)
        city = self._known.get(key)
        if city is None:
            shown = latin_names(place, country, self._gazetteer) if self._latin_names else names(place)
            city = _as_city(place, key, country, shown, at, order)
            self._known.add(city)
        return city

    def _city_of(
        self, place: XPlace, country: str, at: int, order: Order, point: tuple[float, float] | None
    ) -> Place | None:
        known = Known(country, self._known, order, self._gazetteer)
        # A message that is read again must not see what was learned after it.
        latest = order > self._known.newest
        # The name too: in another language it may tell more, or less, of the same place.
        key, version = (place.id, place.full_name, country), self._known.in_country(country)
        remembered = self._remembered.get(key) if latest else None
        if remembered is not None and remembered[0] == version:
            city = remembered[1]
        else:
            own = self._known.get(city_id(country, place.id))
            city = own if own is not None and own.learned < order else city_of(place, known)
            if latest:
                self._remember(key, version, city)
        if city is None and place.place_type == "admin":
            city = self._own(place, known, at, order)
        if city is None and point is not None:
            city = at_point(point[1], point[0], known)
        return city

    def _own(self, place: XPlace, known: Known, at: int, order: Order) -> Place | None:
        """An admin place that is a city and for which X has named no city place long enough."""
        key = city_id(known.country, place.id)
        first = self._waiting.get(key)
        if first is None:
            if town_of(place, known) is None:
                return None
            first = self._waiting[key] = at
        return self._city(place, known.country, at, order) if at - first >= PATIENCE_MS else None

    def _remember(self, key: tuple[str, str, str], version: int, city: Place | None) -> None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[key] = version, city


_NOWHERE = Location(None, None, None, None, None, "")


def _find(place_id: str, places: Sequence[XPlace]) -> XPlace | None:
    for place in places:
        if place.id == place_id:
            return place
    return None


def _as_city(place: XPlace, key: str, country: str, shown: tuple[str, str], at: int, order: Order) -> Place:
    lat, lon = bbox_centre(place.bbox) if place.bbox is not None else (None, None)
    return Place(
        id=place.id,
        city=key,
        country=country,
        type=place.place_type,
        name=shown[0],
        full_name=shown[1],
        lat=lat,
        lon=lon,
        at=at,
        bbox=place.bbox,
        learned=order,
    )
