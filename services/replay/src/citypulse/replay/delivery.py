"""From the source to every connected stream: each message when it is due, where a stream's rules match it.

Where a message is matched, rendered and offered is one function, `_deliver`; what a stream does with it is
the connection's. A fault that is to befall a message or a stream belongs between the two.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import structlog

from citypulse.events.messages import Message
from citypulse.replay.connection import Connection
from citypulse.replay.fields import Selection, selection
from citypulse.replay.pace import Clock, Due, Pace
from citypulse.replay.rulebook import Limits, Rule, Rulebook
from citypulse.replay.truth import Truth

__all__ = ["Delivery", "Open", "State"]

Json = dict[str, Any]
State = Literal["waiting", "playing", "done"]
Open = Callable[[int], Iterator[Due]]
"""A source, opened when its clock first runs, at that time in ms since the epoch."""

_BATCH = 200
# Sleeping at least so long sends what falls due meanwhile together: at a high rate a write costs more than a
# message.
_SHORTEST_SLEEP = 0.005
_LONGEST_SLEEP = 0.05
_UNLIMITED_AHEAD = 4 * 1024 * 1024
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()
# A message that nobody was connected for is kept with all that a usual client asks for.
_EVERYTHING = selection(
    {"tweet.fields": "author_id,created_at,geo,referenced_tweets", "expansions": "geo.place_id"}
)


class Delivery:
    """Plays one source to the streams that are connected.

    `hold_streams` makes the source's clock stand while fewer streams are connected (0: it never stands); what
    a stream that ended had not sent then waits for the next stream of its token. `buffer_bytes` is what may
    wait for one stream: beyond it a paced source disconnects the stream, as X does with a client that reads
    too slowly, and an unlimited one waits for it.
    """

    def __init__(
        self, source: Open, pace: Pace, truth: Truth, limits: Limits, *, hold_streams: int, buffer_bytes: int
    ) -> None:
        self.state: State = "waiting"
        self.connections: list[Connection] = []
        self.played = 0
        self.first_at: int | None = None
        self.last_at: int | None = None
        self.late_seconds = 0.0
        self.due_in_seconds = 0.0
        """How long the next message is not due yet; 0 while messages are due."""
        self._source, self._pace, self._truth, self._limits = source, pace, truth, limits
        self._hold_streams, self._buffer_bytes = hold_streams, buffer_bytes
        self._unsent: dict[str, list[bytes]] = {}
        self._rulebooks: dict[str, Rulebook] = {}
        self._clock = Clock()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None

    def rulebook(self, token: str) -> Rulebook:
        """The rules of a token, which outlive its streams."""
        return self._rulebooks.setdefault(token, Rulebook(self._limits))

    def connect(self, connection: Connection) -> None:
        """A stream is there: it gets what is due from now on, and what its token's last one was held back."""
        for message in self._unsent.pop(connection.token, ()):
            connection.offer(message)
        self.connections.append(connection)
        self._changed.set()

    def disconnect(self, connection: Connection) -> None:
        """A stream is gone."""
        self.connections.remove(connection)
        if self._held:
            self._clock.stand()
        unsent = connection.unsent()
        if unsent and self._hold_streams:
            self._unsent.setdefault(connection.token, []).extend(unsent)
        else:
            self._truth.miss(_now(), connection.number, connection.token, "unsent", unsent)

    @property
    def _held(self) -> bool:
        return len(self.connections) < self._hold_streams

    def fail(self, error: BaseException) -> None:
        """End the playing with this error: what is sent can no longer be recorded."""
        self._failure = error
        self._changed.set()

    def close(self) -> None:
        """Record what still waited for a stream of its token."""
        for token, messages in self._unsent.items():
            self._truth.miss(_now(), None, token, "unsent", messages)
        self._unsent.clear()

    async def play(self) -> None:
        """Play the source to its end; returns when every message was handed to its streams.

        Raises what `fail` was called with.
        """
        await self._while_held()
        for due in self._source(_now()):
            await self._until(due.at)
            self._deliver(due.message)
            self.played += 1
            if self.played % _BATCH == 0:
                await self._breathe()
        while self._unsent or any(connection.queued_bytes for connection in self.connections):
            await self._while_held()
            await asyncio.sleep(_LONGEST_SLEEP)
        self.state = "done"
        _log.info("source ended", played=self.played, sent=self._truth.sent)

    async def _until(self, at: float) -> None:
        """Wait until `at` on the source's clock, which stands with hold and no stream."""
        self.state = "playing"
        while True:
            await self._while_held()
            early = at - self._clock.now()
            self.due_in_seconds = max(early, 0.0)
            if early <= 0:
                self.late_seconds = -early if not self._pace.unlimited else 0.0
                return
            await asyncio.sleep(min(max(early, _SHORTEST_SLEEP), _LONGEST_SLEEP))

    async def _while_held(self) -> None:
        while self._held or self._failure:
            if self._failure:
                raise self._failure
            self._clock.stand()
            self.state = "waiting"
            self._changed.clear()
            await self._changed.wait()
            self.state = "playing"
        # A stream that went and came back while the player slept has stopped the clock all the same.
        self._clock.run()

    async def _breathe(self) -> None:
        """Let the streams write; wait for the slowest, or where time does not wait disconnect it."""
        await asyncio.sleep(0)
        for connection in list(self.connections):
            if self._pace.unlimited:
                await connection.room(min(self._buffer_bytes, _UNLIMITED_AHEAD))
            elif connection.queued_bytes > self._buffer_bytes:
                _log.warning(
                    "client too slow", stream=connection.number, queued_bytes=connection.queued_bytes
                )
                connection.abort()

    def _deliver(self, message: Message) -> None:
        for connection in self.connections:
            rules = _matching(connection.rulebook, message)
            if rules:
                connection.offer(_rendered(message, connection.selection, rules))
                self._note_time()
        if self._truth.writes:
            self._note_missed(message)

    def _note_time(self) -> None:
        self.last_at = _now()
        if self.first_at is None:
            self.first_at = self.last_at

    def _note_missed(self, message: Message) -> None:
        for token in self._rulebooks.keys() - {connection.token for connection in self.connections}:
            if rules := _matching(self._rulebooks[token], message):
                missed = _rendered(message, _EVERYTHING, rules)
                self._truth.miss(_now(), None, token, "no stream", [missed])


def _now() -> int:
    return int(time.time() * 1000)


def _matching(rulebook: Rulebook, message: Message) -> list[Rule]:
    """The rules under which a message goes to a stream: all of them where X had matched it already."""
    if message.matching_rules is not None:
        return rulebook.all()
    return rulebook.match(message.data, message.includes)


def _rendered(message: Message, chosen: Selection, rules: list[Rule]) -> bytes:
    return _encode(chosen.message(message.data, message.includes, [rule.matched() for rule in rules]))
