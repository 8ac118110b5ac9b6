"""The operators of filtered-stream rules that are evaluated here, and which values X accepts for them."""

import math
import re
from collections.abc import Callable

__all__ = ["ALIASES", "CONJUNCTION_REQUIRED", "OPERATORS", "box_of", "circle_of"]

_MILES = 1.609344
_WIDEST_KM = 25 * _MILES


def box_of(value: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north of a bounding_box value in degrees, or None where X would refuse it (25 miles
    at most a side).
    """
    numbers = _numbers(value.split())
    if numbers is None or len(numbers) != 4:
        return None
    west, south, east, north = numbers
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        return None
    height = (north - south) * 111.32
    width = (east - west) * 111.32 * math.cos(math.radians((south + north) / 2))
    return (west, south, east, north) if max(height, width) <= _WIDEST_KM else None


def circle_of(value: str) -> tuple[float, float, float] | None:
    """Longitude, latitude in degrees and radius in km of a point_radius value, or None where X would refuse
    it (25 miles at most).
    """
    parts = value.split()
    if len(parts) != 3 or parts[2][-2:] not in ("km", "mi"):
        return None
    numbers = _numbers([parts[0], parts[1], parts[2][:-2]])
    if numbers is None:
        return None
    longitude, latitude, radius = numbers
    radius *= 1.0 if parts[2].endswith("km") else _MILES
    inside = -180 <= longitude <= 180 and -90 <= latitude <= 90 and 0 < radius <= _WIDEST_KM
    return (longitude, latitude, radius) if inside else None


def _numbers(parts: list[str]) -> list[float] | None:
    try:
        return [float(part) for part in parts]
    except ValueError:
        return None


def _decimal(value: str) -> bool:
    return value.isascii() and value.isdigit()


def _account(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_]{1,20}", value) is not None


_HAS = frozenset(
    {"geo", "hashtags", "cashtags", "links", "mentions", "media", "images", "videos", "video_link"}
)
_IS = frozenset({"retweet", "reply", "quote", "verified", "nullcast"})
CONJUNCTION_REQUIRED = frozenset({"is", "has", "lang", "sample"})
ALIASES = {
    "retweets_of_status_id": "retweets_of_tweet_id",
    "in_reply_to_status_id": "in_reply_to_tweet_id",
    "retweets_of_user": "retweets_of",
}
# Every operator that is really evaluated, with the check of its value.
OPERATORS: dict[str, Callable[[str], bool]] = {
    "from": _account,
    "to": _account,
    "retweets_of": _account,
    "retweets_of_tweet_id": _decimal,
    "in_reply_to_tweet_id": _decimal,
    "conversation_id": _decimal,
    "url": lambda value: bool(value.strip()),
    "lang": lambda value: re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z]{2,4})?", value) is not None,
    "is": _IS.__contains__,
    "has": _HAS.__contains__,
    "place": lambda value: bool(value.strip()),
    "place_country": lambda value: re.fullmatch(r"[A-Za-z]{2}", value) is not None,
    "bounding_box": lambda value: box_of(value) is not None,
    "point_radius": lambda value: circle_of(value) is not None,
    "sample": lambda value: _decimal(value) and 1 <= int(value) <= 100,
}
