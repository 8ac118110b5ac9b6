"""What a place is, and which city it belongs to."""

from citypulse.places.place import (
    UNKNOWN_COUNTRY,
    Place,
    bbox_centre,
    city_id,
    decode,
    encode,
    key,
    topic_name,
)

__all__ = ["UNKNOWN_COUNTRY", "Place", "bbox_centre", "city_id", "decode", "encode", "key", "topic_name"]
