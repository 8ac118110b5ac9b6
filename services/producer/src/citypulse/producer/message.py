"""A message of X becomes an event.

Only the parts that an event needs are decoded; the decoder passes the rest over without building it.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import msgspec

from citypulse import places
from citypulse.events.event import Event, Ref, post_created_at_ms
from citypulse.producer.config import Config
from citypulse.producer.routes import Route, Routes
from citypulse.producer.stream.rules import Rule, feed_of, tag_prefix

_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)

AHEAD_MS = 3600 * 1000
"""How far a post may be ahead of this host's clock: its time moves the watermark of all counting for good."""


class UnusableError(Exception):
    """No event can be made of the message; the text says why, and quotes none of it."""

    def __init__(self, text: str, kind: str = "malformed") -> None:
        """Say why.

        Args:
            text: a sentence.
            kind: the reason as a metric's label: malformed, from_the_future, without_tag.
        """
        super().__init__(text)
        self.kind = kind


class Delivery(NamedTuple):
    """An event on its way to one topic."""

    topic: str
    """With the run's prefix."""
    event: Event
    """Its feeds are those of the topic."""


class Parsed(NamedTuple):
    """What a message says."""

    deliveries: tuple[Delivery, ...]
    """One for each topic of the matching feeds; none where no rule of ours matched."""
    city: places.Place | None
    """The city of the post, where it is in one."""
    doubt: str = ""
    """Why the message is worth a look although it is counted, as a metric's label: place_without_object where
    it names a place that X did not send with it. It counts for the country that its rule names.
    """


_Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
"""An id of X's is a positive int64, and so is that of an event."""

Parse = Callable[[bytes, int], Parsed]
"""Takes a payload and when it was received (ms since the epoch); raises `UnusableError`."""


class _Point(msgspec.Struct):
    coordinates: tuple[float, float] | None = None


class _Geo(msgspec.Struct):
    place_id: str | None = None
    coordinates: _Point | None = None


class _Reference(msgspec.Struct):
    type: str
    id: _Id


class _Data(msgspec.Struct):
    id: _Id
    author_id: _Id | None = None
    created_at: datetime.datetime | None = None
    edit_history_tweet_ids: list[_Id] | None = None
    geo: _Geo | None = None
    referenced_tweets: list[_Reference] | None = None


class _Box(msgspec.Struct):
    bbox: tuple[float, float, float, float] | None = None


class _Place(msgspec.Struct):
    id: str
    full_name: str = ""
    name: str = ""
    place_type: str = ""
    country_code: str = ""
    geo: _Box | None = None


class _Includes(msgspec.Struct):
    places: list[_Place] | None = None


class _MatchingRule(msgspec.Struct):
    tag: str | None = None


class _Message(msgspec.Struct):
    data: _Data
    includes: _Includes | None = None
    matching_rules: list[_MatchingRule] = []


class _Match(NamedTuple):
    """What a set of matched rules means."""

    topics: tuple[tuple[str, list[str]], ...]
    """Topics with the feeds whose events they take."""
    country: str
    """The single country that the rules name, else `ZZ`."""


def parser(config: Config, rules: Sequence[Rule], routes: Routes | None = None) -> Parse:
    """The function that turns this producer's messages into events.

    Args:
        config: name, run and feeds.
        rules: what is wanted of X.
        routes: what tags mean and have meant; without them, they mean what `rules` say.
    """
    decoder = msgspec.json.Decoder(_Message, strict=False)
    matches: dict[tuple[int, tuple[str | None, ...]], _Match] = {}
    if routes is None:
        routes = Routes()
        routes.change(config, rules, 0)
    find, epoch_at = routes.find, routes.epoch
    prefix, default, source = tag_prefix(config.name), config.topic("tweets"), config.name

    def parse(payload: bytes, received: int) -> Parsed:
        try:
            return understand(payload, received)
        except UnusableError:
            raise
        except Exception as error:
            # Whatever it is: one message must not keep those behind it waiting.
            raise UnusableError(f"not a post as X sends it: {type(error).__name__}: {error}") from error

    def understand(payload: bytes, received: int) -> Parsed:
        message = decoder.decode(payload)
        tags = tuple([rule.tag for rule in message.matching_rules])
        match = matches.get((epoch := epoch_at(received), tags))
        if match is None:
            match = _match(tags, prefix, lambda tag: find(tag, received), default)
            matches[epoch, tags] = match
        if not match.topics:
            if not any(tags):
                # Another's rule without a tag, or ours that lost it: nobody can say whose post it is.
                raise UnusableError("none of the rules that it matched has a tag", "without_tag")
            return Parsed((), None)
        data = message.data
        history = data.edit_history_tweet_ids
        post = history[0] if history else data.id
        created = data.created_at
        if created is not None and post == data.id:
            at = ((created if created.tzinfo else created.replace(tzinfo=_UTC)) - _EPOCH) // _MILLISECOND
        else:
            at = post_created_at_ms(post)
        if at > received + AHEAD_MS:
            raise UnusableError(
                "it was created more than an hour after it was received: is the clock right?",
                "from_the_future",
            )
        place_id = country = city = lat = lon = known = None
        doubt = ""
        geo = data.geo
        if geo is not None:
            place_id = geo.place_id
            place = _find(place_id, message.includes) if place_id else None
            if place is not None and place.geo is not None and place.geo.bbox is not None:
                lat, lon = places.bbox_centre(place.geo.bbox)
            if place_id is not None:
                doubt = "" if place else "place_without_object"
                country = (place.country_code.upper() if place else "") or match.country
            if place is not None and country is not None and place.place_type == "city":
                city = places.city_id(country, place.id)
                known = places.Place(
                    id=place.id,
                    city=city,
                    country=country,
                    type=place.place_type,
                    name=place.name or place.full_name,
                    full_name=place.full_name or place.name,
                    lat=lat,
                    lon=lon,
                    at=at,
                )
            if geo.coordinates is not None and geo.coordinates.coordinates is not None:
                lon, lat = geo.coordinates.coordinates
        refs = [Ref(ref.type, ref.id) for ref in data.referenced_tweets or ()]
        deliveries = tuple(
            [
                Delivery(
                    topic,
                    Event(
                        id=data.id,
                        post=post,
                        at=at,
                        author=data.author_id,
                        refs=refs,
                        place_id=place_id,
                        country=country,
                        city=city,
                        lat=lat,
                        lon=lon,
                        feeds=feeds,
                        received=received,
                        source=source,
                    ),
                )
                for topic, feeds in match.topics
            ]
        )
        return Parsed(deliveries, known, doubt)

    return parse


def _match(
    tags: Sequence[str | None], prefix: str, find: Callable[[str], Route | None], default: str
) -> _Match:
    ours = [tag for tag in tags if tag and tag.startswith(prefix) and tag.count("/") >= 3]
    routes = {tag: find(tag) for tag in ours}
    by_topic: dict[str, set[str]] = {}
    for tag, route in routes.items():
        # A feed that nobody remembers may still be in the journal: it was accepted, so it is sent.
        by_topic.setdefault(route.topic if route else default, set()).add(feed_of(tag))
    # A rule that does not say where it matches leaves the country open, whatever the others name.
    sets = [route.countries if route else frozenset[str]() for route in routes.values()]
    named = frozenset[str]().union(*sets) if all(sets) else frozenset[str]()
    country = next(iter(named)) if len(named) == 1 else places.UNKNOWN_COUNTRY
    return _Match(tuple((topic, sorted(feeds)) for topic, feeds in sorted(by_topic.items())), country)


def _find(place_id: str, includes: _Includes | None) -> _Place | None:
    for place in (includes and includes.places) or ():
        if place.id == place_id:
            return place
    return None
