"""The same counts once more, from the tweets of a file: plain Python, nothing shared with the job's counting.

Which city a place belongs to is told by the package that the producer asks too; what counts is told here.
What has no place counts nowhere. A retweet has none of its own: it takes that of its original, and the
original's feeds, if the original came before it.
"""

import datetime
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from citypulse import places
from citypulse.events.event import post_created_at_ms
from citypulse.events.messages import Message
from citypulse.places import Location
from citypulse.spark.verify.tally import City, CityKey, Post, Recount

_TAG = re.compile(r"^citypulse/[^/]+/([^/]+)/")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class _Original(NamedTuple):
    country: str
    city: str | None
    feeds: frozenset[str]


class _Known(msgspec.Struct):
    """What the messages so far have taught."""

    resolver: places.Resolver
    place_country: str
    names: dict[CityKey, City] = msgspec.field(default_factory=dict)
    originals: dict[int, _Original] = msgspec.field(default_factory=dict)
    messages: int = 0


def recount(
    messages: Iterable[Message],
    countries: frozenset[str] | None = None,
    place_country: str = places.UNKNOWN_COUNTRY,
    watermark_ms: int = 10 * 60 * 1000,
    retweets: bool = False,
) -> Recount:
    """Count messages in the order of their arrival.

    Args:
        messages: as stored; feeds are read from the tags of their matching rules, `all` where no tag is
            citypulse's.
        countries: count only these; None for every country.
        place_country: the country of places that name none: what the matching rule said.
        watermark_ms: how far event times may lie apart for the job.
        retweets: whether the producer followed retweets; else they count nowhere.
    """
    result = Recount()
    known = _Known(places.Resolver(places.geonames()), place_country)
    for message in messages:
        result.messages += 1
        post, feeds = _credited(message, known)
        if post is None or (post.retweet and not retweets):
            continue
        if countries is not None and post.country not in countries:
            continue
        for feed in feeds:
            newest = result.last_at
            if result.add(post, feed, known.names.get((post.country, post.city or ""))):
                result.late += newest is not None and post.at < newest - watermark_ms
    return result


def _credited(message: Message, known: _Known) -> tuple[Post | None, frozenset[str]]:
    """The post at the place where it counts, and the feeds that count it; no post if it counts nowhere."""
    data = message.data
    feeds = _feeds(message)
    nowhere = _post(data, "", None)
    where = _place(data, message.includes, nowhere.at, known)
    references = data.get("referenced_tweets") or ()
    retweeted = next((int(one["id"]) for one in references if one["type"] == "retweeted"), None)
    if retweeted is not None:
        original = known.originals.get(retweeted)
        if original is None:
            return None, feeds
        return nowhere._replace(country=original.country, city=original.city), original.feeds
    if where.country is None:
        return None, feeds
    city = where.city.city if where.city is not None else None
    known.originals.setdefault(int(data["id"]), _Original(where.country, city, feeds))
    return nowhere._replace(country=where.country, city=city), feeds


def _place(data: dict[str, Any], includes: dict[str, Any], at: int, known: "_Known") -> Location:
    """Where a post is; a city that is met for the first time is remembered under its name."""
    known.messages += 1
    where = known.resolver.locate(
        msgspec.convert(data.get("geo"), places.Geo | None),
        msgspec.convert(includes.get("places") or [], list[places.XPlace]),
        known.place_country,
        at,
        (0, known.messages),
    )
    if where.city is not None and where.country is not None:
        city = where.city
        known.names.setdefault((where.country, city.city), City(city.full_name, city.lat, city.lon))
    return where


def _post(data: dict[str, Any], country: str, city: str | None) -> Post:
    history = data.get("edit_history_tweet_ids") or [data["id"]]
    post = int(history[0])
    created = data.get("created_at")
    # Only the first version's own created_at is the post's.
    at = _milliseconds(created) if created and post == int(data["id"]) else post_created_at_ms(post)
    author = data.get("author_id")
    kinds = frozenset(reference["type"] for reference in data.get("referenced_tweets") or ())
    return Post(post, at, int(author) if author is not None else None, kinds, country, city)


def _feeds(message: Message) -> frozenset[str]:
    """The feeds of the matching rules; what begins with + only says why a rule is there."""
    tags = [rule.get("tag") or "" for rule in message.matching_rules or ()]
    ours = {found[1] for tag in tags if (found := _TAG.match(tag))}
    return frozenset(feed for feed in ours if not feed.startswith("+")) if ours else frozenset({"all"})


def _milliseconds(created_at: str) -> int:
    moment = datetime.datetime.fromisoformat(created_at)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)
