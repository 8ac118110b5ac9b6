"""How long to wait before connecting to X again, as X asks for it.

A network error waits a step longer each time; an HTTP error twice as long each time; 429 the same from a
minute on, or until the moment that X names (https://docs.x.com/x-api/fundamentals/handling-disconnections).
Too many connections and a usage cap are 429 as well, but no rate limit: only patience helps, from bases of
their own. A connection that lasted begins anew.
"""

from collections.abc import Mapping

from citypulse.producer.config import X
from citypulse.producer.stream.session import TOO_MANY_CONNECTIONS, USAGE_CAPPED

_LONGEST_RESET_SECONDS = 3600.0
# X's windows are 15 minutes; a clock that is wrong must not stop us for years.


class Backoff:
    """Counts failures in a row; every `after_…` gives the seconds to wait."""

    def __init__(self, x: X) -> None:
        self._x = x
        self._network = 0.0
        self._doubling: dict[str, float] = {}

    def lasted(self, seconds: float) -> None:
        """A connection has lasted so long.

        Only one that outlasts a stall begins anew: others would make a storm.
        """
        if seconds > self._x.stall_seconds:
            self._network = 0.0
            self._doubling.clear()

    def after(self, cause: str, headers: Mapping[str, str], now: float) -> float:
        """Whatever ended a connection, or kept it from beginning.

        Args:
            cause: as `HttpError.cause` says it; any other is the network's.
            headers: of X's answer, where there is one.
            now: seconds since the epoch.
        """
        if cause == TOO_MANY_CONNECTIONS:
            return self.after_too_many_connections()
        if cause == USAGE_CAPPED:
            return self.after_usage_cap()
        if cause == "http_429":
            return self.after_rate_limit(headers, now)
        if cause.startswith("http_"):
            return self.after_http_error()
        return self.after_network_error()

    def after_network_error(self) -> float:
        """A connection that could not be made, broke, stalled or was closed."""
        self._network = min(self._network + self._x.network_step_seconds, self._x.network_max_seconds)
        return self._network

    def after_http_error(self) -> float:
        """An answer that was no stream."""
        return self._doubled("http", self._x.http_first_seconds, self._x.http_max_seconds)

    def after_rate_limit(self, headers: Mapping[str, str], now: float) -> float:
        """429.

        Args:
            headers: of the answer. Where they say that requests are used up and when there are new ones, it
                is then; with requests left only patience helps.
            now: seconds since the epoch.
        """
        wait = self._doubled("http", self._x.rate_limit_first_seconds, self._x.http_max_seconds)
        reset = headers.get("x-rate-limit-reset", "")
        if reset.isdigit() and headers.get("x-rate-limit-remaining", "0") == "0":
            return min(max(float(reset) - now, 1.0), _LONGEST_RESET_SECONDS)
        return wait

    def after_too_many_connections(self) -> float:
        """X counts a connection of this token: another client's, or one whose end it has not noticed."""
        return self._doubled(
            TOO_MANY_CONNECTIONS, self._x.too_many_connections_first_seconds, self._x.http_max_seconds
        )

    def after_usage_cap(self) -> float:
        """The account has had its posts of the day or month."""
        return self._doubled(USAGE_CAPPED, self._x.usage_cap_first_seconds, self._x.usage_cap_max_seconds)

    def _doubled(self, kind: str, first: float, longest: float) -> float:
        wait = min(max(self._doubling.get(kind, 0.0) * 2, first), max(longest, first))
        self._doubling[kind] = wait
        return wait
