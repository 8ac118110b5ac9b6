"""A record of Kafka as verify reads it: an event, or nothing that counts.

What makes a record an event is said here once more, and by other means than the job's: a number for `post`, a
time in `at`, a list of `feeds`. Whatever else is missing or of another kind is as if it were null. An event
whose time is more than 5 minutes ahead of the broker's clock counts nowhere.
"""

from typing import Any, NamedTuple

import msgspec

from citypulse.spark.verify.tally import Post

AHEAD_MS = 5 * 60 * 1000
"""How far a post may be ahead of the time at which the broker appended it."""

_LAST_MILLISECOND = 253402300799999
"""Of the year 9999."""
_INT64 = range(-(1 << 63), 1 << 63)


class Read(NamedTuple):
    """What a record holds."""

    post: Post | None
    """Null where it counts nowhere."""
    feeds: tuple[str, ...] = ()
    id: int = 0
    fault: str = ""
    """Why it is no event: `poison` or `future`; empty for an event, also for one that has no place."""


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
_POISON = Read(None, fault="poison")


def read(value: bytes | None, appended: int) -> Read:
    """Read a record.

    Args:
        value: the record's.
        appended: its timestamp in ms since the epoch.
    """
    try:
        record = _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _POISON
    post, at = _number(record.post), _number(record.at)
    if post is None or at is None or not 0 <= at <= _LAST_MILLISECOND or not isinstance(record.feeds, list):
        return _POISON
    if at > appended + AHEAD_MS:
        return Read(None, fault="future")
    if not isinstance(record.country, str):
        return Read(None)
    refs = record.refs if isinstance(record.refs, list) else []
    kinds = frozenset(_kind(ref) for ref in refs)
    city = record.city if isinstance(record.city, str) else None
    feeds = tuple(dict.fromkeys(feed for feed in record.feeds if isinstance(feed, str)))
    one = Post(post, at, _number(record.author), kinds, record.country, city)
    return Read(one, feeds, _number(record.id) or post)


def _kind(ref: Any) -> str:
    kind = ref.get("type") if isinstance(ref, dict) else None
    return kind if isinstance(kind, str) else ""


def _number(value: Any) -> int | None:
    return value if type(value) is int and value in _INT64 else None
