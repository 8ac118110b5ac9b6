"""The same counts once more, from the tweets of a file: plain Python, sets for users, nothing shared with the
job's counting.

A post counts once for a feed, as the version that came first; it counts where its place is: in the city if
the place is one, in the country of the place, and in all countries. What has no place counts nowhere, and a
retweet is no tweet.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from citypulse import places
from citypulse.events.event import post_created_at_ms
from citypulse.events.messages import Message

WINDOW_MS = 5 * 60 * 1000
ALL_COUNTRIES = "*"

_TAG = re.compile(r"^citypulse/[^/]+/([^/]+)/")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

CellKey = tuple[str, str, str, int]
"""Feed, country, city id (empty for a whole country), start of the window in ms."""
CityKey = tuple[str, str]
"""Country, city id."""


class Cell(msgspec.Struct):
    """What was counted in one cell."""

    tweets: int = 0
    originals: int = 0
    replies: int = 0
    quotes: int = 0
    unresolved: int = 0
    users: set[int] = msgspec.field(default_factory=set)


class City(msgspec.Struct):
    """What is known of a city; times in ms since the epoch."""

    name: str
    lat: float | None
    lon: float | None
    first_seen: int | None = None
    last_seen: int | None = None


class Recount(msgspec.Struct):
    """Everything that the tables must say."""

    cells: dict[CellKey, Cell] = msgspec.field(default_factory=dict)
    cities: dict[CityKey, City] = msgspec.field(default_factory=dict)
    counted: set[tuple[int, str]] = msgspec.field(default_factory=set)
    """Post and feed of whatever was counted."""
    late: int = 0
    """Counted posts that came when event time was further than the watermark: a stream leaves them out."""
    messages: int = 0
    first_at: int | None = None
    last_at: int | None = None
    """Creation of the first and last counted post, in ms."""


class _Located(NamedTuple):
    post: int
    at: int
    author: int | None
    kinds: frozenset[str]
    country: str
    city: str | None


def recount(
    messages: Iterable[Message],
    countries: frozenset[str] | None = None,
    place_country: str = places.UNKNOWN_COUNTRY,
    watermark_ms: int = 10 * 60 * 1000,
) -> Recount:
    """Count messages in the order of their arrival.

    Args:
        messages: as stored; feeds are read from the tags of their matching rules, `all` where no tag is
            citypulse's. countries: count only these; None for every country. place_country: the country of
            places that name none: what the matching rule said. watermark_ms: how far event times may lie
            apart for the job.
    """
    result = Recount()
    for message in messages:
        result.messages += 1
        tweet = _located(message, place_country, result.cities)
        if tweet is None or "retweeted" in tweet.kinds:
            continue
        if countries is not None and tweet.country not in countries:
            continue
        for feed in _feeds(message):
            if (tweet.post, feed) not in result.counted:
                result.counted.add((tweet.post, feed))
                result.late += result.last_at is not None and tweet.at < result.last_at - watermark_ms
                _count(result, tweet, feed)
    # A city that only retweets or uncounted tweets named has a place, but no row.
    result.cities = {key: city for key, city in result.cities.items() if city.first_seen is not None}
    return result


def _count(result: Recount, tweet: _Located, feed: str) -> None:
    start = tweet.at // WINDOW_MS * WINDOW_MS
    keys = [(feed, tweet.country, "", start), (feed, ALL_COUNTRIES, "", start)]
    if tweet.city is not None:
        keys.append((feed, tweet.country, tweet.city, start))
        city = result.cities[tweet.country, tweet.city]
        city.first_seen = tweet.at if city.first_seen is None else min(city.first_seen, tweet.at)
        city.last_seen = tweet.at if city.last_seen is None else max(city.last_seen, tweet.at)
    for key in keys:
        cell = result.cells.setdefault(key, Cell())
        cell.tweets += 1
        cell.originals += not tweet.kinds
        cell.replies += "replied_to" in tweet.kinds
        cell.quotes += "quoted" in tweet.kinds
        cell.unresolved += tweet.city is None
        if tweet.author is not None:
            cell.users.add(tweet.author)
    result.first_at = tweet.at if result.first_at is None else min(result.first_at, tweet.at)
    result.last_at = tweet.at if result.last_at is None else max(result.last_at, tweet.at)


def _located(message: Message, place_country: str, cities: dict[CityKey, City]) -> _Located | None:
    """The tweet, if it has a place; a city that is met for the first time is remembered under its name."""
    data = message.data
    place_id = (data.get("geo") or {}).get("place_id")
    if not place_id:
        return None
    place: dict[str, Any] = next(
        (one for one in message.includes.get("places") or () if one.get("id") == place_id), {}
    )
    country = (place.get("country_code") or "").upper() or place_country
    city = None
    if place.get("place_type") == "city":
        city = f"{country}:{place_id}"
        if (country, city) not in cities:
            box = (place.get("geo") or {}).get("bbox")
            lat, lon = places.bbox_centre(tuple(box)) if box else (None, None)
            cities[country, city] = City(place.get("full_name") or place.get("name") or "", lat, lon)
    history = data.get("edit_history_tweet_ids") or [data["id"]]
    post = int(history[0])
    created = data.get("created_at")
    # Only the first version's own created_at is the post's.
    at = _milliseconds(created) if created and post == int(data["id"]) else post_created_at_ms(post)
    author = data.get("author_id")
    kinds = frozenset(reference["type"] for reference in data.get("referenced_tweets") or ())
    return _Located(post, at, int(author) if author is not None else None, kinds, country, city)


def _feeds(message: Message) -> set[str]:
    tags = [rule.get("tag") or "" for rule in message.matching_rules or ()]
    return {found[1] for tag in tags if (found := _TAG.match(tag))} or {"all"}


def _milliseconds(created_at: str) -> int:
    moment = datetime.datetime.fromisoformat(created_at)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
