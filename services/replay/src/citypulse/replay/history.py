"""The posts that were played lately, for backfill, recent search and counts.

Each post is kept once, as JSON, and found by when it was played or by when it was created. Memory is bounded
twice: by the seconds since it was played, and by bytes of JSON; the oldest are forgotten first.
"""

import time
from bisect import bisect_left, insort
from collections import deque
from itertools import takewhile
from typing import NamedTuple

import msgspec

from citypulse.events.messages import Message
from citypulse.replay.files import created_ms

__all__ = ["History", "Key", "Post"]

_SLACK = 16
"""A sixteenth more than the bound is kept, so that the order need not be made anew for every post."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


class Key(NamedTuple):
    """Where a post stands among all: its creation in ms since the epoch, then its id."""

    created_ms: int
    id: int


class Post(msgspec.Struct, frozen=True, gc=False):
    """A post that was played, at `played_ms` since the epoch."""

    created_ms: int
    id: int
    played_ms: int
    body: bytes

    def message(self) -> Message:
        """The post as it was played, decoded anew."""
        return _decode(self.body)


class History:
    """What was played in the last `seconds`, as far as it fits into `most_bytes`."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self.bytes = 0
        self._seconds, self._most_bytes = seconds, most_bytes
        self._played: deque[Post] = deque()
        self._by_id: dict[int, Post] = {}
        self._order: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def since_ms(self) -> int | None:
        """When the oldest post that is kept was played, None where there is none."""
        return self._played[0].played_ms if self._played else None

    def add(self, message: Message, played_ms: int) -> None:
        """Keep a post; a copy of one that is kept changes nothing."""
        identity = int(message.data["id"])
        if identity in self._by_id:
            return
        post = Post(created_ms(message.data), identity, played_ms, _encode(message))
        self._by_id[identity] = post
        self._played.append(post)
        self.bytes += len(post.body)
        insort(self._order, (post.created_ms, identity))
        oldest_ms = played_ms - self._seconds * 1000
        if (
            self.bytes > self._most_bytes
            or self._played[0].played_ms < oldest_ms - self._seconds * 1000 / _SLACK
        ):
            self._forget(oldest_ms)

    def _forget(self, oldest_ms: float) -> None:
        fitting = self._most_bytes - self._most_bytes // _SLACK
        while self._played and (self._played[0].played_ms < oldest_ms or self.bytes > fitting):
            post = self._played.popleft()
            del self._by_id[post.id]
            self.bytes -= len(post.body)
        self._order = [key for key in self._order if key[1] in self._by_id]

    def played_since(self, ms: int) -> list[Post]:
        """The posts that were played since then, in that order."""
        oldest_ms = max(ms, self._oldest_ms())
        latest = list(takewhile(lambda post: post.played_ms >= oldest_ms, reversed(self._played)))
        return latest[::-1]

    def before(self, key: Key, most: int) -> list[Post]:
        """The posts that stand next before a key, at most so many, newest first."""
        end = bisect_left(self._order, key)
        return [self._by_id[identity] for _, identity in reversed(self._order[max(0, end - most) : end])]

    def expired(self, post: Post) -> bool:
        """Whether a post was played too long ago to be found."""
        return post.played_ms < self._oldest_ms()

    def _oldest_ms(self) -> float:
        return time.time() * 1000 - self._seconds * 1000
