"""From the source to every connected stream: each message when it is due, where a stream's rules match it.

Where a message is matched, rendered and offered is one function, `_deliver`; what a stream does with it is
the connection's. Of the faults only a gap befalls a message here, whether a stream is connected or not; all
others befall what a stream sends.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Literal

import msgspec
import structlog

from citypulse.events.messages import Message
from citypulse.replay.connection import Connection
from citypulse.replay.fault_book import Faults
from citypulse.replay.fields import Selection, selection
from citypulse.replay.history import History
from citypulse.replay.pace import Clock, Due, Pace
from citypulse.replay.rulebook import Limits, Rule, Rulebook
from citypulse.replay.script import Script
from citypulse.replay.truth import Truth

__all__ = ["Delivery", "EndedError", "Open", "State"]

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
_LONGEST_DRAIN = 1.0
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()
# A message that nobody was connected for is kept with all that a usual client asks for.
_EVERYTHING = selection(
    {
        "tweet.fields": "author_id,created_at,edit_history_tweet_ids,geo,referenced_tweets",
        "expansions": "geo.place_id",
        "place.fields": "contained_within,country,country_code,full_name,geo,id,name,place_type",
    }
)


class EndedError(Exception):
    """Something was put in after the end was told."""


class Delivery:
    """Plays one source to the streams that are connected; where `source` is None, what is `put` in until
    `end_source`.

    `hold_streams` makes the source's clock stand while fewer streams are connected (0: it never stands); what
    a stream that ended had not sent then waits for the next stream of its token. `buffer_bytes` is what may
    wait for one stream: beyond it a paced source disconnects the stream, as X does with a client that reads
    too slowly, and an unlimited one waits for it. `script` arms `faults` as the source plays; `history` keeps
    what was played.
    """

    def __init__(
        self,
        source: Open | None,
        pace: Pace,
        truth: Truth,
        limits: Limits,
        *,
        hold_streams: int,
        buffer_bytes: int,
        faults: Faults | None = None,
        script: Script | None = None,
        history: History | None = None,
    ) -> None:
        self.state: State = "waiting"
        self.connections: list[Connection] = []
        self.played = 0
        self.first_at: int | None = None
        self.last_at: int | None = None
        self.late_seconds = 0.0
        self.due_in_seconds = 0.0
        """How long the next message is not due yet; 0 while messages are due."""
        self.faults = faults or Faults()
        self.faults.wake, self.faults.wipe_rules = self._wake_streams, self._wipe_rules
        self.history = history
        self._script = script or Script([])
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

    def backfill(self, rulebook: Rulebook, chosen: Selection, minutes: int) -> Iterator[bytes | None]:
        """What was played in the last minutes up to now, as a stream with these rules would have had it; None
        for each post that no rule matches.
        """
        posts = self.history.played_since(_now() - minutes * 60_000) if self.history is not None else []

        def due(message: Message) -> bytes | None:
            rules = _matching(rulebook, message)
            return _rendered(message, chosen, rules) if rules else None

        return (due(post.message()) for post in posts)

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
        # One that has ended sends nothing more, though it may still wait for what it sent to arrive.
        return len([one for one in self.connections if not one.ended]) < self._hold_streams

    def fail(self, error: BaseException) -> None:
        """End the playing with this error: what is sent can no longer be recorded."""
        self._failure = error
        self._changed.set()

    def close(self) -> None:
        """Record what still waited for a stream of its token."""
        for token, messages in self._unsent.items():
            self._truth.miss(_now(), None, token, "unsent", messages)
        self._unsent.clear()
        if self._script.left:
            _log.warning("faults never armed", entries=[entry.number for entry in self._script.left])

    async def put(self, messages: Iterable[Message]) -> None:
        """Play these messages now. Raises EndedError after the source's end."""
        if self.faults.source_ended:
            raise EndedError
        for message in messages:
            self._deliver(message)
            self.played += 1
            if self._script.left:
                await self._follow_script(self._clock.now())
            if self.played % _BATCH == 0:
                await self._breathe()

    def end_source(self) -> None:
        """Nothing more is put in."""
        self.faults.source_ended = True
        self._changed.set()

    async def play(self) -> None:
        """Play the source to its end; returns when every message was handed to its streams.

        Raises what `fail` was called with.
        """
        await self._follow_script(0.0)
        await self._while_held()
        if self._source is None:
            await self._until_ended()
        else:
            await self._play(self._source(_now()))
        self.faults.source_ended = True
        self._wake_streams()
        while self._unsent or any(connection.queued_bytes for connection in self.connections):
            await self._while_held()
            await asyncio.sleep(_LONGEST_SLEEP)
        self.state = "done"
        _log.info("source ended", played=self.played, sent=self._truth.sent)
        while self._script.times_left:
            self._clock.stand() if self._held else self._clock.run()
            await self._follow_script(self._clock.now())
            await asyncio.sleep(_LONGEST_SLEEP)

    async def _play(self, schedule: Iterator[Due]) -> None:
        for due in schedule:
            await self._until(due.at)
            self._deliver(due.message)
            self.played += 1
            if self._script.left:
                await self._follow_script(self._clock.now() if self._pace.unlimited else due.at)
            if self.played % _BATCH == 0:
                await self._breathe()

    async def _until_ended(self) -> None:
        """Wait while others put messages in."""
        self.state = "playing"
        while not self.faults.source_ended:
            if self._failure:
                raise self._failure
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                # The script's times go on while nothing is put in.
                async with asyncio.timeout(_LONGEST_SLEEP if self._script.times_left else None):
                    await self._changed.wait()
            if self._script.left:
                await self._follow_script(self._clock.now())

    async def _until(self, at: float) -> None:
        """Wait until `at` on the source's clock, which stands with hold and no stream."""
        self.state = "playing"
        while True:
            await self._while_held()
            now = self._clock.now()
            early = at - now
            self.due_in_seconds = max(early, 0.0)
            if self._script.left:
                # A source that runs late still meets a fault between the same two messages.
                await self._follow_script(now if early > 0 or self._pace.unlimited else at)
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

    async def _follow_script(self, seconds: float) -> None:
        for fault in self._script.due(seconds, self.played):
            # What was played before is to be sent before, unless an earlier fault holds it up.
            for connection in list(self.connections):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST_DRAIN):
                        await connection.room(1)
            self.faults.arm(fault)

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
        if self.history is not None:
            self.history.add(message, _now())
        withheld = self._withheld(message) if self.faults.live else ()
        for connection in self.connections:
            if connection.token in withheld:
                continue
            rules = _matching(connection.rulebook, message)
            if rules:
                connection.offer(_rendered(message, connection.selection, rules))
                self._note_time()
        if self._truth.writes:
            self._note_missed(message, withheld)

    def _note_time(self) -> None:
        self.last_at = _now()
        if self.first_at is None:
            self.first_at = self.last_at

    def _withheld(self, message: Message) -> set[str]:
        """The tokens from which a gap takes this message; their rules match it."""
        taken: set[str] = set()
        if self.faults.gaps():
            for token, rulebook in self._rulebooks.items():
                if (rules := _matching(rulebook, message)) and self.faults.withholds(token):
                    self._truth.miss(_now(), None, token, "gap", [_rendered(message, _EVERYTHING, rules)])
                    taken.add(token)
        return taken

    def _note_missed(self, message: Message, withheld: Collection[str]) -> None:
        for token in self._rulebooks.keys() - {connection.token for connection in self.connections}:
            if token not in withheld and (rules := _matching(self._rulebooks[token], message)):
                missed = _rendered(message, _EVERYTHING, rules)
                self._truth.miss(_now(), None, token, "no stream", [missed])

    def _wake_streams(self) -> None:
        for connection in self.connections:
            connection.wake()

    def _wipe_rules(self, token: str) -> int:
        return sum(book.clear() for one, book in self._rulebooks.items() if token in ("", one))


def _now() -> int:
    return int(time.time() * 1000)


def _matching(rulebook: Rulebook, message: Message) -> list[Rule]:
    """The rules under which a message goes to a stream: all of them where X had matched it already."""
    if message.matching_rules is not None:
        return rulebook.all()
    return rulebook.match(message.data, message.includes)


def _rendered(message: Message, chosen: Selection, rules: list[Rule]) -> bytes:
    return _encode(chosen.message(message.data, message.includes, [rule.matched() for rule in rules]))
