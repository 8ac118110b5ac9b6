"""X's rate limits: requests of a token to an endpoint in a window of time."""

import time
from collections import Counter

from citypulse.replay.rulebook import Limits

__all__ = ["RateLimits"]


class RateLimits:
    """How many requests each token made to each endpoint in the current window."""

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.window_seconds
        self._reset = 0.0
        self._used: Counter[tuple[str, str]] = Counter()

    def take(self, token: str, endpoint: str, limit: int) -> tuple[dict[str, str], bool]:
        """Count one request; the rate-limit headers of its answer, and whether it is within the limit."""
        now = time.time()
        if now >= self._reset:
            self._reset = now + self._seconds
            self._used.clear()
        self._used[token, endpoint] += 1
        used = self._used[token, endpoint]
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - used)),
            "x-rate-limit-reset": str(int(self._reset) + 1),
        }
        return headers, used <= limit
