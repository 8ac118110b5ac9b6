"""The located posts that may be watched, and how active each is."""

import threading
from collections.abc import Iterable
from typing import Annotated

import msgspec

from citypulse.events.event import Event, post_created_at_ms
from citypulse.producer.retweets.originals import retweeted
from citypulse.producer.stream.rules import feed_of, is_feed, tag_prefix


class Candidate(msgspec.Struct, gc=False):
    """A post that may be watched."""

    at: int
    """When it was created: ms since the epoch."""
    retweets: int = 0
    """Retweets of it that were seen."""
    feeds: frozenset[str] | None = None
    """Feeds whose rules matched it; None where that is not known."""


_Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
"""Any longer id would not fit into a rule, which X would refuse with all others."""


class _Geo(msgspec.Struct):
    place_id: str | None = None


class _Reference(msgspec.Struct):
    type: str
    id: _Id


class _Data(msgspec.Struct):
    id: _Id
    geo: _Geo | None = None
    referenced_tweets: list[_Reference] | None = None


class _MatchingRule(msgspec.Struct):
    tag: str | None = None


class _Message(msgspec.Struct):
    data: _Data
    matching_rules: list[_MatchingRule] = []


_decoder = msgspec.json.Decoder(_Message, strict=False)


class Candidates:
    """All of them, by id. Any thread may call it."""

    def __init__(self, producer: str) -> None:
        """Begin with none.

        Args:
            producer: whose rules' matches are meant.
        """
        self._prefix = tag_prefix(producer)
        self._lock = threading.Lock()
        self._by_id: dict[int, Candidate] = {}
        self._feeds: dict[tuple[str | None, ...], frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def see(self, payload: bytes) -> None:
        """Take a message of X: a located post that matched a feed, or a retweet; others say nothing."""
        try:
            message = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The sender sets it aside.
            return
        data = message.data
        for ref in data.referenced_tweets or ():
            if ref.type == "retweeted":
                with self._lock:
                    self._retweet(ref.id)
                return
        if data.geo is None or data.geo.place_id is None:
            return
        tags = tuple([rule.tag for rule in message.matching_rules])
        feeds = self._feeds.get(tags)
        if feeds is None:
            feeds = self._feeds[tags] = _feeds(tags, self._prefix)
        if feeds:
            with self._lock:
                self._post(data.id, feeds)

    def sent(self, topic: str, event: Event) -> None:
        """Take an event of this producer as it stands in a topic. What it says may be known already."""
        if event.country is None:
            return
        with self._lock:
            if (original := retweeted(event)) is not None:
                self._post(original, frozenset(event.feeds))
                self._retweet(original)
            else:
                self._post(event.id, frozenset(event.feeds))

    def watched(self, posts: Iterable[int]) -> None:
        """Take what X's rules name already: an earlier run has chosen it."""
        with self._lock:
            for post in posts:
                self._by_id.setdefault(post, Candidate(post_created_at_ms(post)))

    def all(self) -> dict[int, Candidate]:
        """Those that there are now, by id."""
        with self._lock:
            return dict(self._by_id)

    def forget(self, posts: Iterable[int]) -> None:
        """Let go of some for good."""
        with self._lock:
            for post in posts:
                self._by_id.pop(post, None)

    def only(self, feeds: frozenset[str]) -> None:
        """Forget those that none of these feeds wants."""
        self.forget(
            post
            for post, found in self.all().items()
            if found.feeds is not None and found.feeds.isdisjoint(feeds)
        )

    def _post(self, post: int, feeds: frozenset[str]) -> None:
        found = self._by_id.get(post)
        if found is None:
            self._by_id[post] = Candidate(post_created_at_ms(post), 0, feeds)
        else:
            found.feeds = feeds if found.feeds is None else found.feeds | feeds

    def _retweet(self, original: int) -> None:
        if found := self._by_id.get(original):
            found.retweets += 1


def _feeds(tags: Iterable[str | None], prefix: str) -> frozenset[str]:
    ours = [tag for tag in tags if tag and tag.startswith(prefix) and tag.count("/") >= 3]
    return frozenset(feed for tag in ours if is_feed(feed := feed_of(tag)))
