"""A record of Kafka as verify reads it: an event, or nothing that counts.

What makes a record an event is said here once more, and by other means than the job's: a number for `post`, a
time in `at`, a list of names in `feeds`, and names for country and city where there are any. Whatever else is
missing or of another kind is as if it were null. An event whose time is more than 5 minutes ahead of the
broker's clock counts nowhere.
"""

from typing import Any, NamedTuple

import msgspec

from citypulse.spark.verify.tally import ALL_COUNTRIES, Post

AHEAD_MS = 5 * 60 * 1000
"""How far a post may be ahead of the time at which the broker appended it."""

_LAST_MILLISECOND = 253402300799999
"""Of the year 9999."""
_LONGEST_NAME = 255
"""Characters; names are parts of keys in Cassandra."""
_INT64 = range(-(1 << 63), 1 << 63)


class Read(NamedTuple):
    """What a record holds."""

    post: Post | None
    """Null where it counts nowhere."""
    feeds: tuple[str, ...] = ()
    id: int = 0
    fault: str = ""
    """`unusable` for what is no event, `future`; empty for an event, also for one that has no place."""


class _Record(msgspec.Struct):
    id: Any = None
    post: Any = None
    at: Any = None
    author: Any = None
    refs: Any = None
    country: Any = None
    city: Any = None
    feeds: Any = None


_decoder = msgspec.json.Decoder(_Record)
_UNUSABLE = Read(None, fault="unusable")


def read(value: bytes | None, appended: int) -> Read:
    """Read a record.

    Args:
        value: the record's.
        appended: its timestamp in ms since the epoch.
    """
    try:
        record = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UNUSABLE
    post, at = _number(record.post), _number(record.at)
    if post is None or at is None or not 0 <= at <= _LAST_MILLISECOND or not isinstance(record.feeds, list):
        return _UNUSABLE
    feeds, country, city = [_text(feed) for feed in record.feeds], _text(record.country), _text(record.city)
    names = [*feeds, *(name for name in (country, city) if name is not None)]
    if country == ALL_COUNTRIES or not all(name and len(name) <= _LONGEST_NAME for name in names):
        return _UNUSABLE
    if at > appended + AHEAD_MS:
        return Read(None, fault="future")
    if country is None:
        return Read(None)
    refs = record.refs if isinstance(record.refs, list) else []
    kinds = frozenset(_kind(ref) for ref in refs)
    one = Post(post, at, _number(record.author), kinds, country, city)
    return Read(one, tuple(dict.fromkeys(feed for feed in feeds if feed)), _number(record.id) or post)


def _text(value: Any) -> str | None:
    """Text as it stands; of anything else its JSON, as the job reads it."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _kind(ref: Any) -> str:
    kind = ref.get("type") if isinstance(ref, dict) else None
    return kind if isinstance(kind, str) else ""


def _number(value: Any) -> int | None:
    return value if type(value) is int and value in _INT64 else None
