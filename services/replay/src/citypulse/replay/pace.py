"""When each message is due: a clock that can stand still, and the schedules that sources follow.

Schedules are open loop: a message's due time depends on its place in the source alone, never on how fast the
ones before it could be written, so a rate is kept on average however a client stumbles.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from citypulse.events.messages import Message

__all__ = ["Clock", "Due", "Pace"]


class Due(NamedTuple):
    """A message and its due time in seconds on the source's clock."""

    at: float
    message: Message


Schedule = Iterator[Due]


class Pace(NamedTuple):
    """How fast a source plays: a fixed `rate` in messages a second, else its own event times `speed` times as
    fast.

    `speed` 0 is as fast as clients read.
    """

    speed: float = 1.0
    rate: float | None = None

    @property
    def unlimited(self) -> bool:
        """Whether nothing but the clients limits the source."""
        return self.rate is None and self.speed == 0

    def due(self, number: int, event_ms: float) -> float:
        """Due time in seconds of message `number` (from 0) whose event lies `event_ms` ms after the source's
        first.
        """
        if self.rate is not None:
            return number / self.rate
        return event_ms / 1000 / self.speed if self.speed else 0.0


class Clock:
    """Seconds that passed while it ran; it begins standing."""

    def __init__(self) -> None:
        self._passed = 0.0
        self._running_since: float | None = None

    def now(self) -> float:
        """Seconds on this clock."""
        if self._running_since is None:
            return self._passed
        return self._passed + time.monotonic() - self._running_since

    @property
    def running(self) -> bool:
        """Whether time passes on it."""
        return self._running_since is not None

    def run(self) -> None:
        """Let time pass."""
        if self._running_since is None:
            self._running_since = time.monotonic()

    def stand(self) -> None:
        """Let time stand still."""
        self._passed, self._running_since = self.now(), None
