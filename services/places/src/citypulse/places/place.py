"""A place as producers share it: the value of a record in the compacted topic `places`, keyed by city id.

An event carries only a city's id. Its name travels here: the producer that meets a city first publishes it,
and has the acknowledgement before it sends the first event of that city, so a reader that knows the topic up
to its end knows every city it meets. A producer reads the topic before it sends anything, and never publishes
a city that is in it already: the name stays the one first seen, and compaction, which keeps the last record
of a key, keeps that one.
"""

import msgspec

from citypulse.places.box import Box

UNKNOWN_COUNTRY = "ZZ"
"""The country of a place whose country neither X nor the matching rule names."""

Order = tuple[int, int]
"""Where a message stands among all: when it was received (ms since the epoch), and its place in the order in
which messages came (a journal's sequence)."""


class Place(msgspec.Struct, frozen=True):
    """A city that was met in a post."""

    id: str
    """X's place id."""
    city: str
    """`<country>:<X place id>`; also the key of its record."""
    country: str
    """ISO 3166-1 alpha-2 code, or `ZZ`."""
    type: str
    """X's place type: city, or admin where X has the city as an administrative area."""
    name: str
    """Short name, as first seen."""
    full_name: str
    """Name that is shown."""
    lat: float | None
    """Degrees north of the middle of its bounding box."""
    lon: float | None
    """Degrees east of the middle of its bounding box."""
    at: int
    """When the first post from it was created: milliseconds since the epoch, UTC."""
    bbox: Box | None = None
    """West, south, east, north in degrees."""
    learned: Order = (0, 0)
    """The message that taught it: only later ones are resolved with it."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Place)


def encode(place: Place) -> bytes:
    """The value of the place's Kafka record."""
    return _encoder.encode(place)


def decode(value: bytes) -> Place:
    """The place in a Kafka record's value.

    Raises:
        msgspec.DecodeError: the value is no place.
    """
    return _decoder.decode(value)


def key(place: Place) -> bytes:
    """The key of the place's Kafka record."""
    return place.city.encode()


def topic_name(run: str) -> str:
    """The topic that holds the places of a run; the empty run is live."""
    return f"{run}.places" if run else "places"


def city_id(country: str, place_id: str) -> str:
    """A city's id: `CA:36775d842cbec509`."""
    return f"{country}:{place_id}"
