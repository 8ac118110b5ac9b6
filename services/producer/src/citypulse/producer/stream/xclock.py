"""X's clock, as far as its answers tell it.

Gaps are times of X's: with a host's clock that is an hour off, or is set while the producer runs, they would
be recorded where nothing is missing. The header `Date` gives X's time in whole seconds, and the monotonic
clock carries it on; without such a header the host's clock has to do.
"""

import email.utils
import time
from collections.abc import Callable

_SECOND = 1000
_BEHIND_MS = _AHEAD_MS = _SECOND
"""What a host's clock that is kept by NTP is allowed to be off."""


class XClock:
    """Bounds of X's time now, in ms since the epoch."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self._learned: tuple[float, float] | None = None
        self.answered = False
        """Whether X has answered: from then on its time is known as well as it ever will be."""

    def learn(self, date: str | None, asked: float, answered: float) -> None:
        """Take the time of an answer.

        Args:
            date: its header `Date`; None where it has none.
            asked: when the request was sent, monotonic seconds.
            answered: when the answer had come.
        """
        self.answered = True
        try:
            at = email.utils.parsedate_to_datetime(date or "").timestamp()
        except ValueError:
            return
        # X's clock showed from `at` to a second later at some moment between the two.
        self._learned = (at - answered, at + 1 - asked)

    def earliest(self, monotonic: float | None = None) -> int:
        """X's clock shows at least this, now or at a moment of the monotonic clock."""
        return self._at(0, -_BEHIND_MS, monotonic)

    def latest(self, monotonic: float | None = None) -> int:
        """X's clock shows at most this."""
        return self._at(1, _AHEAD_MS, monotonic)

    def now(self, monotonic: float | None = None) -> int:
        """X's time as well as it is known: this host's clock, where that is between the bounds."""
        then = self.monotonic() if monotonic is None else monotonic
        here = int((self._wall() - (self.monotonic() - then)) * _SECOND)
        return min(max(here, self.earliest(then)), self.latest(then))

    def _at(self, bound: int, slack: int, monotonic: float | None) -> int:
        now = self.monotonic()
        then = now if monotonic is None else monotonic
        if self._learned is None:
            return int((self._wall() - (now - then)) * _SECOND) + slack
        return int((self._learned[bound] + then) * _SECOND)
