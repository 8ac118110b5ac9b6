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
        """Its bounding box, where it has one on the globe."""
        if self.geo is None or self.geo.bbox is None:
            return None
        west, south, east, north = self.geo.bbox
        on_globe = -90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180
        return self.geo.bbox if on_globe else None
