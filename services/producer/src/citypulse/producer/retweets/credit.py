"""A retweet's event takes place and feeds of its original."""

import msgspec

from citypulse.events.event import Event
from citypulse.producer import metrics
from citypulse.producer.message import Delivery, Parsed
from citypulse.producer.retweets.originals import Original, Originals, retweeted
from citypulse.producer.stream.rules import is_feed


def credited(found: Parsed, originals: Originals | None, topic: str) -> Parsed:
    """A message as it is sent.

    A located post is known from now on. A retweet gets place, feeds and topics of its original; where that is
    not known it has no country, and so counts nowhere.

    Args:
        found: what the message says.
        originals: what is known; None where retweets are not followed.
        topic: for a retweet that matched no feed's rule, and whose original is not known.
    """
    if not found.deliveries:
        return found
    event = found.deliveries[0].event
    post = retweeted(event)
    if post is None:
        found = found._replace(deliveries=_of_feeds(found))
        if originals is not None:
            for to, sent in found.deliveries:
                originals.learn(sent.id, to, sent)
        return found
    original = originals.find(post) if originals is not None else None
    if original is not None:
        metrics.retweets_credited.inc()
        return found._replace(deliveries=_of_original(event, original), city=None)
    if originals is not None:
        metrics.retweets_unknown.inc()
    return found._replace(deliveries=_of_nobody(found, topic))


def _of_original(event: Event, original: Original) -> tuple[Delivery, ...]:
    place_id, country, city, lat, lon, topics = original
    return tuple(
        Delivery(
            topic,
            msgspec.structs.replace(
                event,
                place_id=place_id,
                country=country,
                city=city,
                lat=lat,
                lon=lon,
                feeds=list(feeds),
            ),
        )
        for topic, feeds in topics
    )


def _of_nobody(found: Parsed, topic: str) -> tuple[Delivery, ...]:
    alone = msgspec.structs.replace(found.deliveries[0].event, feeds=[])
    return _of_feeds(found) or (Delivery(topic, alone),)


def _of_feeds(found: Parsed) -> tuple[Delivery, ...]:
    """The feeds whose rules matched it, but not what only says that it was watched for."""
    if all(is_feed(feed) for _, event in found.deliveries for feed in event.feeds):
        return found.deliveries
    return tuple(
        Delivery(to, msgspec.structs.replace(event, feeds=feeds))
        for to, event in found.deliveries
        if (feeds := [feed for feed in event.feeds if is_feed(feed)])
    )
