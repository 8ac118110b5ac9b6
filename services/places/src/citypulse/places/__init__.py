"""What a place is, and which city it belongs to."""

from citypulse.places.box import bbox_centre
from citypulse.places.gazetteer import Gazetteer, geonames
from citypulse.places.place import (
    UNKNOWN_COUNTRY,
    Order,
    Place,
    city_id,
    decode,
    encode,
    key,
    topic_name,
)
from citypulse.places.post import Geo, XPlace
from citypulse.places.resolver import Location, Resolver

__all__ = [
    "UNKNOWN_COUNTRY",
    "Gazetteer",
    "Geo",
    "Location",
    "Order",
    "Place",
    "Resolver",
    "XPlace",
    "bbox_centre",
    "city_id",
    "decode",
    "encode",
    "geonames",
    "key",
    "topic_name",
]
