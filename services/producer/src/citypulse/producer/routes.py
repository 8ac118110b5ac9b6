"""Where a tag leads: the topic of its feed, and the countries that its rule names; now, and before a change.

What is in the journal was tagged by the rules of its time. When feeds change, by SIGHUP or between two runs,
it still goes to the topic that its feed had. So each change begins an epoch, and a message is read by the
epoch in which it was received. The epochs are kept in the file `routes.json` of the journal's directory.
"""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import msgspec

from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import files
from citypulse.producer.stream.rules import Rule, feed_of

NAME = "routes.json"
_KEPT = 50
"""Epochs that are told apart; a journal spans days, and feeds change rarely. Older ones become one."""


class Route(msgspec.Struct, frozen=True):
    """What a tag means."""

    topic: str
    """With the run's prefix."""
    countries: frozenset[str]
    """Countries that the rule names; empty where a match can be in a country that it does not name."""


class _Epoch(msgspec.Struct, frozen=True):
    since: int
    tags: dict[str, Route]


class Routes:
    """All epochs. One thread changes them; any looks."""

    def __init__(self, directory: Path | None = None) -> None:
        """Read what is known; without a directory nothing is, and nothing is kept.

        Raises:
            BadInputError: the file cannot be read.
        """
        self._path = directory / NAME if directory else None
        self._lock = threading.Lock()
        self._epochs: tuple[_Epoch, ...] = ()
        if self._path and self._path.exists():
            try:
                self._epochs = msgspec.json.decode(self._path.read_bytes(), type=tuple[_Epoch, ...])
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadInputError(
                    f"{self._path} cannot be read ({error}): remove it; what waits in the journal then goes"
                    " to the topics that are configured now"
                ) from error
        self._starts = [epoch.since for epoch in self._epochs]

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self._epochs)

    def change(self, config: Config, rules: Sequence[Rule], now: int) -> None:
        """Let tags mean what the rules say from now on; on disk before this returns.

        Args:
            config: whose feeds name the topics.
            rules: with the tags that they have on X.
            now: X's time, ms since the epoch, as records are timed.

        Raises:
            OSError: nothing has changed.
        """
        topics = {feed.name: config.topic(feed.topic) for feed in config.feeds}
        tags = {rule.tag: Route(topics[feed_of(rule.tag)], rule.countries) for rule in rules}
        with self._lock:
            if self._epochs and self._epochs[-1].tags == tags:
                return
            # A clock that was set back must not make the newest epoch older than the one before.
            since = max(now, self._starts[-1] + 1) if self._epochs else 0
            epochs = _bounded((*self._epochs, _Epoch(since, tags)))
            if self._path:
                files.replace(self._path, msgspec.json.encode(epochs))
            # The starts last: a reader that sees the new one finds its epoch.
            self._epochs = epochs
            self._starts = [epoch.since for epoch in epochs]

    def epoch(self, received: int) -> int:
        """A number that stands for the meaning of all tags at a time, and never for another one."""
        starts = self._starts
        return starts[max(bisect_right(starts, received) - 1, 0)] if len(starts) > 1 else 0

    def find(self, tag: str, received: int) -> Route | None:
        """What a tag meant when a message was received.

        A rule outlives its epoch for a moment, and may begin a moment early: then the nearest epoch that
        knows the tag answers.
        """
        epochs = self._epochs
        at = max(bisect_right([epoch.since for epoch in epochs], received) - 1, 0)
        for epoch in (*reversed(epochs[: at + 1]), *epochs[at + 1 :]):
            if route := epoch.tags.get(tag):
                return route
        return None


def _bounded(epochs: tuple[_Epoch, ...]) -> tuple[_Epoch, ...]:
    """The newest epochs; those before them as one, that no tag is forgotten."""
    old, kept = epochs[: -(_KEPT - 1)], epochs[-(_KEPT - 1) :]
    if not old:
        return kept
    tags: dict[str, Route] = {}
    for epoch in old:
        tags |= epoch.tags
    return (_Epoch(old[0].since, tags), *kept)
