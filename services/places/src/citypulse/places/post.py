"""What X says of a post's place: the parts of its JSON that resolution reads.

A decoder passes over whatever else X sends. Of a message that is decoded already, `msgspec.convert` makes the
same.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from citypulse.places.box import Box


class Point(msgspec.Struct):
    """GeoJSON point."""

    coordinates: tuple[float, float] | None = None
    """Longitude and latitude in degrees."""


class Geo(msgspec.Struct):
    """`geo` of a post."""

    place_id: str | None = None
    coordinates: Point | None = None


class Area(msgspec.Struct):
    """`geo` of a place."""

    bbox: Box | None = None


class XPlace(msgspec.Struct):
    """A place object of `includes.places`."""

    id: str
    full_name: str = ""
    name: str = ""
    place_type: str = ""
    country_code: str = ""
    contained_within: Any = None
    geo: Area | None = None

    def containers(self) -> Iterator[str]:
        """Ids of the places that contain it, whether X gives ids or, as in version 1.1, objects."""
        for one in self.contained_within if isinstance(self.contained_within, list) else ():
            place_id = one.get("id") if isinstance(one, dict) else one
            if isinstance(place_id, str):
                yield place_id

    @property
    def bbox(self) -> Box | None:
        """Its bounding box."""
        return self.geo.bbox if self.geo is not None else None
