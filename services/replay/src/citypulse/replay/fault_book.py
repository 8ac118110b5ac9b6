"""All faults of a replay, and whom each befalls: a stream, a message that is due, a request."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import structlog

from citypulse.replay.armed import ANY_NUMBER, Armed, now_ms
from citypulse.replay.faults import (
    Conflict,
    Fault,
    Gap,
    MessageFault,
    RequestFault,
    RuleLimits,
    SlowRules,
    StreamEvent,
    name_of,
)
from citypulse.replay.rulebook import Limits

__all__ = ["Faults"]

Json = dict[str, Any]

_REMEMBERED = 1_000
_log = structlog.get_logger()


class Faults:
    """All faults of a replay. `wake` is called when streams should look again at what befalls them.

    `wipe_rules` is called with a token (empty: all), and returns how many rules are gone.
    """

    def __init__(self) -> None:
        self.live: list[Armed] = []
        self.source_ended = False
        """No message will come any more: what waits for others to be shuffled with waits in vain."""
        self.wake: Callable[[], None] = lambda: None
        self.wipe_rules: Callable[[str], int] = lambda token: 0
        self._past: deque[Armed] = deque(maxlen=_REMEMBERED)
        self._armed = 0
        self._dead: list[_Dead] = []

    def arm(self, fault: Fault) -> Armed:
        """Put a fault in force."""
        self._armed += 1
        armed = Armed(self._armed, fault)
        self.live.append(armed)
        _log.info("fault armed", id=armed.number, fault=name_of(fault), token=fault.token)
        if isinstance(fault, Conflict) and fault.wipe_rules:
            self.begin(armed)
            armed.befell = self.wipe_rules(fault.token)
            self.end(armed)
        elif _window(fault) is not None and not getattr(fault, "after_messages", 0):
            self.begin(armed)
        self.wake()
        return armed

    def begin(self, armed: Armed) -> None:
        """It befalls its first; from now its time runs."""
        if armed.begun_at is not None:
            return
        armed.begun_at = now_ms()
        if (seconds := _window(armed.fault)) is not None:
            asyncio.get_running_loop().call_later(seconds, self.end, armed)

    def end(self, armed: Armed) -> None:
        """It is past."""
        if armed.over:
            return
        armed.ended_at = now_ms()
        self._dead = [one for one in self._dead if one.armed is not armed]
        self.live.remove(armed)
        self._past.append(armed)
        _log.info("fault ended", id=armed.number, fault=name_of(armed.fault), befell=armed.befell)
        self.wake()

    def end_all(self) -> None:
        """All are past, and no dead connection counts any more."""
        for armed in list(self.live):
            self.end(armed)

    def find(self, number: int) -> Armed | None:
        """The fault of this id, past or not."""
        return next((armed for armed in self._all() if armed.number == number), None)

    def shown(self) -> list[Json]:
        """All faults by id; of past ones the last thousand."""
        return [armed.shown() for armed in sorted(self._all(), key=lambda armed: armed.number)]

    def _all(self) -> Iterator[Armed]:
        yield from self._past
        yield from self.live

    def befall(self, armed: Armed, token: str) -> None:
        """Count that it befalls something of a token; end it where that was its last."""
        with self.in_hands(armed, token):
            pass

    @contextlib.contextmanager
    def in_hands(self, armed: Armed, token: str) -> Iterator[None]:
        """It befalls something of a token, and has not ended before the block has."""
        self.begin(armed)
        armed.meet(token)
        armed.under_way += 1
        try:
            yield
        finally:
            self._let_go(armed)

    def _let_go(self, armed: Armed) -> None:
        armed.under_way -= 1
        if armed.used_up and not armed.under_way:
            self.end(armed)

    def on_stream(self, token: str) -> tuple[list[Armed], int]:
        """What is due to befall a token's stream now, and how many messages may pass before anything is."""
        due: list[Armed] = []
        passing = ANY_NUMBER
        for armed in self.live:
            if armed.concerns(token) and isinstance(armed.fault, StreamEvent | MessageFault):
                left = armed.passing(token)
                passing = min(passing, left)
                if left == 0:
                    due.append(armed)
        return due, passing

    def event_due(self, token: str, besides: Armed) -> bool:
        """Whether another event is due to befall a stream that one has in its hands."""
        due, _ = self.on_stream(token)
        return any(isinstance(armed.fault, StreamEvent) and armed is not besides for armed in due)

    def passed(self, token: str, messages: int, besides: Armed | None = None) -> None:
        """Count messages that a stream has sent, for all faults of streams but the one that befell them."""
        for armed in self.live:
            if armed is not besides and armed.concerns(token) and not isinstance(armed.fault, Gap):
                armed.passed(token, messages)

    def withholds(self, token: str) -> bool:
        """Whether a gap takes the message that is due to a token now; counts it."""
        for armed in list(self.live):
            if isinstance(armed.fault, Gap) and armed.concerns(token):
                if armed.passing(token) == 0:
                    self.befall(armed, token)
                    return True
                armed.passed(token, 1)
        return False

    def gaps(self) -> bool:
        """Whether a gap is in force for any token."""
        return any(isinstance(armed.fault, Gap) for armed in self.live)

    def on_request(self, token: str, endpoint: str) -> Armed | None:
        """The fault that refuses a request to an endpoint; counts it."""
        for armed in self.live:
            fault = armed.fault
            if (
                isinstance(fault, RequestFault)
                and armed.concerns(token)
                and fault.endpoint in ("all", endpoint)
            ):
                self.befall(armed, token)
                return armed
        return None

    def answer_delay(self, token: str) -> float:
        """Seconds by which an answer of the rules endpoint is late; counts it."""
        for armed in self.live:
            if isinstance(armed.fault, SlowRules) and armed.concerns(token):
                self.befall(armed, token)
                return armed.fault.delay_seconds
        return 0.0

    def rule_limits(self, token: str, limits: Limits) -> Limits:
        """The limits under which rules are added now; counts the request where they are lowered."""
        for armed in self.live:
            fault = armed.fault
            if isinstance(fault, RuleLimits) and armed.concerns(token):
                self.befall(armed, token)
                return msgspec.structs.replace(
                    limits,
                    rules=limits.rules if fault.rules is None else fault.rules,
                    rule_characters=fault.rule_characters or limits.rule_characters,
                )
        return limits

    def bury(self, armed: Armed, token: str, stream: int, seconds: float) -> None:
        """A stream is dead, and goes on counting for so long."""
        dead = _Dead(armed, token, stream)
        self._dead.append(dead)
        armed.under_way += 1
        asyncio.get_running_loop().call_later(seconds, self._forget, dead)

    def _forget(self, dead: "_Dead") -> None:
        if dead in self._dead:
            self._dead.remove(dead)
            self._let_go(dead.armed)
            self.wake()

    def dead(self, token: str, open_streams: set[int]) -> int:
        """How many dead connections of a token count beside its open ones."""
        return sum(one.token == token and one.stream not in open_streams for one in self._dead)

    def is_dead(self, stream: int) -> bool:
        """Whether a stream is one of them."""
        return any(one.stream == stream for one in self._dead)


class _Dead(NamedTuple):
    armed: Armed
    token: str
    stream: int


def _window(fault: Fault) -> float | None:
    """How many seconds a fault lasts, where it lasts by time and not by what it befalls."""
    return None if isinstance(fault, StreamEvent) else getattr(fault, "seconds", None)
