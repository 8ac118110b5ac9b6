"""When X's rules may be changed again: by the configured limit of a window, and by what X's answers say."""

from collections import deque
from collections.abc import Callable

import requests

from citypulse.producer.config import Retweets

_RULES = "/2/tweets/search/stream/rules"


class Pacing:
    """Counts requests that change rules. For one thread, but `answered`, which any calls."""

    def __init__(self, limits: Retweets, now: Callable[[], float]) -> None:
        """Nothing was asked yet.

        Args:
            limits: of X, as configured.
            now: X's time, in seconds since the epoch.
        """
        self._most = max(limits.requests_per_window - limits.requests_left, 1)
        self._left = limits.requests_left
        self._window = limits.window_seconds
        self._now = now
        self._asked: deque[float] = deque()
        self._said: tuple[int, float] | None = None

    def asks(self) -> None:
        """A request that changes rules is sent now."""
        self._asked.append(self._now())

    def answered(self, response: requests.Response, *_: object, **__: object) -> None:
        """Take X's answer, whatever was asked: a hook of requests' sessions."""
        request = response.request
        if request is None or request.method != "POST" or _RULES not in (request.url or ""):
            return
        try:
            remaining = int(response.headers["x-rate-limit-remaining"])
            reset = float(response.headers["x-rate-limit-reset"])
        except (KeyError, ValueError):
            return
        self._said = remaining, reset

    def wait(self, requests_needed: int) -> float:
        """Seconds until so many requests may be sent; 0: now."""
        now = self._now()
        while self._asked and self._asked[0] <= now - self._window:
            self._asked.popleft()
        ours = 0.0
        if (excess := len(self._asked) + requests_needed - self._most) > 0:
            oldest = min(excess, len(self._asked)) - 1
            ours = self._asked[oldest] + self._window - now if oldest >= 0 else 0.0
        if self._said is None:
            return ours
        remaining, reset = self._said
        theirs = reset - now if remaining - self._left < requests_needed and reset > now else 0.0
        return max(ours, theirs)
