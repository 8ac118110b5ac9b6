"""Boxes and distances on the globe.

A bounding box is (west, south, east, north) in degrees; west is greater than east where it crosses the
antimeridian. Distances are great circles on a sphere of the earth's mean radius (haversine), which is within
0.6 % of the ellipsoid: enough to tell cities apart.
"""

import math
from collections.abc import Iterator

Box = tuple[float, float, float, float]
Cell = tuple[int, int]
"""A square degree, by its south and west edge: what boxes and points are looked up by."""

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the IUGG."""
_TINY = 1e-9
KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180


def bbox_centre(bbox: Box) -> tuple[float, float]:
    """The middle of a bounding box.

    Args:
        bbox: west, south, east and north edge in degrees; west is greater than east where the box crosses the
            antimeridian.

    Returns:
        Latitude and longitude in degrees, the longitude within -180 and 180.
    """
    west, south, east, north = bbox
    if west > east:
        east += 360
    lon = (west + east) / 2
    return (south + north) / 2, lon - 360 if lon > 180 else lon


def contains(bbox: Box, lat: float, lon: float, grown: float = 0.0) -> bool:
    """Whether a point is in a box.

    Args:
        bbox: the box.
        lat: degrees north.
        lon: degrees east.
        grown: share of its height and width by which the box is made larger on each side first.
    """
    west, south, _, north = bbox
    width, height = width_degrees(bbox), north - south
    if not south - height * grown <= lat <= north + height * grown:
        return False
    return (lon - (west - width * grown)) % 360 <= width * (1 + 2 * grown)


def off_centre(bbox: Box, lat: float, lon: float) -> float:
    """How far from the middle of a box a point is: 0 in the middle, 1 on the edge; infinite for a point off
    the middle of a box without height or width.
    """
    middle_lat, middle_lon = bbox_centre(bbox)
    north, east = abs(lat - middle_lat), abs((lon - middle_lon + 180) % 360 - 180)
    return max(_share(north, (bbox[3] - bbox[1]) / 2), _share(east, width_degrees(bbox) / 2))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.inf if part else 0.0


def width_degrees(bbox: Box) -> float:
    """From the west to the east edge, in degrees."""
    width = bbox[2] - bbox[0]
    return width if width >= 0 else width + 360


def area_km2(bbox: Box) -> float:
    """Area of a box on the sphere, in square kilometres."""
    _, south, _, north = bbox
    band = math.sin(math.radians(north)) - math.sin(math.radians(south))
    return max(0.0, math.radians(width_degrees(bbox)) * band) * EARTH_RADIUS_KM**2


def distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Great-circle distance of two points, in kilometres."""
    north, east = math.radians(other_lat - lat), math.radians(other_lon - lon)
    scale = math.cos(math.radians(lat)) * math.cos(math.radians(other_lat))
    chord = math.sin(north / 2) ** 2 + scale * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def cell(lat: float, lon: float) -> Cell:
    """The cell of a point."""
    return math.floor(lat), (math.floor(lon) + 180) % 360 - 180


def cells(bbox: Box) -> Iterator[Cell]:
    """The cells that a box touches."""
    west, south, _, north = bbox
    # Rounding may put a point that is on an edge on its other side.
    first, last = math.floor(west - _TINY), math.floor(west + width_degrees(bbox) + _TINY)
    for lat in range(math.floor(south - _TINY), math.floor(north + _TINY) + 1):
        for lon in range(first, last + 1):
            yield lat, (lon + 180) % 360 - 180


def around(lat: float, lon: float, km: float) -> Box:
    """A box that holds every point within a distance of this one."""
    height = km / KM_PER_DEGREE
    width = min(180.0, height / max(0.01, math.cos(math.radians(min(89.0, abs(lat) + height)))))
    west, east = lon - width, lon + width
    return (
        west + 360 if west < -180 else west,
        max(-90.0, lat - height),
        east - 360 if east > 180 else east,
        min(90.0, lat + height),
    )
