"""The event: one post, retweet or edit as it is kept in Kafka. Its value carries no text.

A record's key is the post's id in decimal ASCII, so that copies and edits of one post meet in one partition.
"""

import msgspec

_SNOWFLAKE_EPOCH_MS = 1288834974657
_SNOWFLAKE_TIME_SHIFT = 22


class Ref(msgspec.Struct, frozen=True):
    """A reference from a post to another post."""

    type: str
    """retweeted, replied_to or quoted."""
    id: int
    """Id of the post referred to."""


class Event(msgspec.Struct, frozen=True):
    """One received post.

    A place that is not known leaves all its fields null; `city` is set only where `place_id` stands for a
    city.
    """

    id: int
    """Id as received."""
    post: int
    """Identity for counting:

    the first version's id, so that a post counts once however often it is edited.
    """
    at: int
    """When the first version was created: milliseconds since the epoch, UTC."""
    author: int | None
    """Id of the author; null only where X left it out."""
    refs: list[Ref]
    """Posts that this one retweets, answers or quotes."""
    place_id: str | None
    """X's id of the place."""
    country: str | None
    """ISO 3166-1 alpha-2 code, `ZZ` for a place whose country nobody named."""
    city: str | None
    """`<country>:<X place id of the city>`."""
    lat: float | None
    """Degrees north: the post's own coordinates, else the middle of its place."""
    lon: float | None
    """Degrees east."""
    feeds: list[str]
    """Names of the feeds whose rules matched, sorted, without repetition."""
    received: int
    """When the producer read it: milliseconds since the epoch, UTC."""
    source: str
    """Name of the producer."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The value of the event's Kafka record."""
    return _encoder.encode(event)


def decode(value: bytes) -> Event:
    """The event in a Kafka record's value.

    Raises:
        msgspec.DecodeError: the value is no event.
    """
    return _decoder.decode(value)


def key(event: Event) -> bytes:
    """The key of the event's Kafka record."""
    return b"%d" % event.post


def post_created_at_ms(post: int) -> int:
    """When a post was created, read from its id: milliseconds since the epoch, UTC.

    Ids carry their time since November 2010; an older one gives a time near that.
    """
    return (post >> _SNOWFLAKE_TIME_SHIFT) + _SNOWFLAKE_EPOCH_MS
