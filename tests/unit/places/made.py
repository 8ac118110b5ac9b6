"""Places and towns to resolve, made by hand."""

from collections.abc import Iterable
from typing import Any

import msgspec

from citypulse.places import UNKNOWN_COUNTRY, Gazetteer, Geo, Location, Resolver, XPlace
from citypulse.places.box import Box
from citypulse.places.gazetteer import Town

AT = 1_900_000_000_000


def place(
    place_id: str,
    kind: str = "city",
    name: str = "",
    bbox: Box | None = None,
    country: str = "CA",
    **more: Any,
) -> XPlace:
    """An X place; `name` is its full name, whose first part is the short one."""
    area = None if bbox is None else {"bbox": bbox}
    fields = {"full_name": name, "name": name.split(",")[0], "place_type": kind, "country_code": country}
    return msgspec.convert({"id": place_id, "geo": area, **fields, **more}, XPlace)


def square(lat: float, lon: float, half: float = 0.1) -> Box:
    """A box around a point, in degrees."""
    return lon - half, lat - half, lon + half, lat + half


def towns(*rows: tuple[str, str, float, float, int], other_names: Iterable[str] = ()) -> Gazetteer:
    """A gazetteer of (country, name, lat, lon, population)."""
    return Gazetteer(
        (Town(number, name, country, lat, lon, people), other_names)
        for number, (country, name, lat, lon, people) in enumerate(rows)
    )


class Stream:
    """Messages in the order in which they come."""

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        self.resolver = Resolver(gazetteer)
        self.number = 0

    def locate(
        self,
        of: XPlace | None,
        place_id: str = "",
        point: tuple[float, float] | None = None,
        at: int = AT,
        rule_country: str = UNKNOWN_COUNTRY,
    ) -> Location:
        """Where a post is.

        Args:
            of: its place, sent with it.
            place_id: of a place that was not sent with it.
            point: latitude and longitude of its own.
            at: when it was created, in ms.
            rule_country: what the matching rule names.
        """
        self.number += 1
        geo: dict[str, Any] = {"place_id": of.id if of is not None else place_id or None}
        if point is not None:
            geo["coordinates"] = {"coordinates": (point[1], point[0])}
        return self.resolver.locate(
            msgspec.convert(geo, Geo), [of] if of else [], rule_country, at, (AT, self.number)
        )

    def city(self, of: XPlace | None, **how: Any) -> str | None:
        """The id of the city alone."""
        found = self.locate(of, **how).city
        return found.city if found is not None else None
