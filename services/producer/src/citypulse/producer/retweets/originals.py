"""What is known of located posts: where a retweet of one counts. Bounded; the longest inactive go first."""

import sys
from collections import OrderedDict
from typing import NamedTuple

from citypulse.events.event import Event


class Original(NamedTuple):
    """A located post, as its event said it."""

    place_id: str | None
    country: str
    """ISO 3166-1 alpha-2 code, or `ZZ`."""
    city: str | None
    lat: float | None
    """Degrees north."""
    lon: float | None
    """Degrees east."""
    topics: tuple[tuple[str, tuple[str, ...]], ...]
    """Topics that its event went to, each with the feeds that it had there."""


def retweeted(event: Event) -> int | None:
    """Id of the post that this one retweets; None where it is no retweet."""
    for ref in event.refs:
        if ref.type == "retweeted":
            return ref.id
    return None


class Originals:
    """The located posts that are known. For the sender's thread; others may ask how many there are.

    About 0.4 KB each.
    """

    def __init__(self, most: int) -> None:
        """Know none.

        Args:
            most: posts that are known at a time.
        """
        self._most = most
        self._known: OrderedDict[int, Original] = OrderedDict()
        # A topic with its feeds is one of few: shared, they cost nothing.
        self._shared: dict[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, post: int, topic: str, event: Event) -> None:
        """Know a post, from its own event in a topic or from a retweet's, which has its place and feeds.

        What was known first stays: copies agree. An event without a country says nothing.

        Args:
            post: its id.
            topic: where the event is, or goes.
            event: with the post's place.
        """
        if event.country is None:
            return
        there = topic, tuple(event.feeds)
        there = self._shared.setdefault(there, there)
        known = self._known.get(post)
        if known is None:
            known = Original(
                _intern(event.place_id),
                sys.intern(event.country),
                _intern(event.city),
                event.lat,
                event.lon,
                (there,),
            )
        elif all(topic != other for other, _ in known.topics):
            known = known._replace(topics=(*known.topics, there))
        self._known[post] = known
        self._known.move_to_end(post)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def find(self, post: int) -> Original | None:
        """What is known of a post that was just retweeted."""
        known = self._known.get(post)
        if known is not None:
            self._known.move_to_end(post)
        return known


def _intern(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)
