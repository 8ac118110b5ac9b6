"""A message of X becomes an event.

Only the parts that an event needs are decoded; the decoder passes the rest over without building it.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple, Protocol

import msgspec

from citypulse import places
from citypulse.events.event import Event, Ref, post_created_at_ms
from citypulse.places import XPlace
from citypulse.producer.config import Config
from citypulse.producer.routes import Route, Routes
from citypulse.producer.stream.rules import Rule, feed_of, tag_prefix

_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)

_TYPES = frozenset({"city", "admin", "poi", "neighborhood", "country", "unknown"})

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
    unresolved: str = ""
    """Type of the post's place, as a metric's label, where its city is not known; else empty."""
    doubt: str = ""
    """Why the message is worth a look although it is counted, as a metric's label: place_without_object where
    it names a place that nobody knows. It counts for the country that its rule names.
    """


_Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
"""An id of X's is a positive int64, and so is that of an event."""


class Parse(Protocol):
    """Makes an event of a message."""

    def __call__(self, payload: bytes, received: int, sequence: int = 0) -> Parsed:
        """What a message says.

        Args:
            payload: the message.
            received: when, in ms since the epoch.
            sequence: of its record in the journal.

        Raises:
            UnusableError: no event can be made of it.
        """


class _Reference(msgspec.Struct):
    type: str
    id: _Id


class _Data(msgspec.Struct):
    id: _Id
    author_id: _Id | None = None
    created_at: datetime.datetime | None = None
    edit_history_tweet_ids: list[_Id] | None = None
    geo: places.Geo | None = None
    referenced_tweets: list[_Reference] | None = None


class _Includes(msgspec.Struct):
    places: list[XPlace] | None = None


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


def parser(
    config: Config,
    rules: Sequence[Rule],
    routes: Routes | None = None,
    resolver: places.Resolver | None = None,
) -> Parse:
    """The function that turns this producer's messages into events.

    Args:
        config: name, run and feeds.
        rules: what is wanted of X.
        routes: what tags mean and have meant; without them, they mean what `rules` say.
        resolver: knows which city a place belongs to, and learns; without it, cities begin with the first
            message.
    """
    decoder = msgspec.json.Decoder(_Message, strict=False)
    matches: dict[tuple[int, tuple[str | None, ...]], _Match] = {}
    if routes is None:
        routes = Routes()
        routes.change(config, rules, 0)
    find, epoch_at = routes.find, routes.epoch
    locate = (places.Resolver() if resolver is None else resolver).locate
    prefix, default, source = tag_prefix(config.name), config.topic("tweets"), config.name

    def parse(payload: bytes, received: int, sequence: int = 0) -> Parsed:
        try:
            return understand(payload, received, sequence)
        except UnusableError:
            raise
        except Exception as error:
            # Whatever it is: one message must not keep those behind it waiting.
            raise UnusableError(f"not a post as X sends it: {type(error).__name__}: {error}") from error

    def understand(payload: bytes, received: int, sequence: int) -> Parsed:
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
        known = (message.includes and message.includes.places) or ()
        where = locate(data.geo, known, match.country, at, (received, sequence))
        city = where.city
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
                        place_id=where.place_id,
                        country=where.country,
                        city=city.city if city is not None else None,
                        lat=where.lat,
                        lon=where.lon,
                        feeds=feeds,
                        received=received,
                        source=source,
                    ),
                )
                for topic, feeds in match.topics
            ]
        )
        if city is not None or where.place_id is None:
            return Parsed(deliveries, city)
        unresolved = where.type if where.type in _TYPES else "other"
        return Parsed(deliveries, None, unresolved, "place_without_object" if unresolved == "unknown" else "")

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
