"""How long to wait before connecting to X again, as X asks for it.

A network error waits a step longer each time; an HTTP error twice as long each time; 429 the same from a
minute on, or until the moment that X names. A connection that lasted begins anew.
"""

from collections.abc import Mapping

from citypulse.producer.config import X

_LONGEST_RESET_SECONDS = 3600.0
# X's windows are 15 minutes; a clock that is wrong must not stop us for years.


class Backoff:
    """Counts failures in a row; every `after_…` gives the seconds to wait."""

    def __init__(self, x: X) -> None:
        self._x = x
        self._network = 0.0
        self._http = 0.0

    def lasted(self, seconds: float) -> None:
        """A connection has lasted so long.

        Only one that outlasts a stall begins anew: others would make a storm.
        """
        if seconds > self._x.stall_seconds:
            self._network = self._http = 0.0

    def after_network_error(self) -> float:
        """A connection that could not be made, broke, stalled or was closed."""
        self._network = min(self._network + self._x.network_step_seconds, self._x.network_max_seconds)
        return self._network

    def after_http_error(self) -> float:
        """An answer that was no stream."""
        return self._doubled(self._x.http_first_seconds)

    def after_rate_limit(self, headers: Mapping[str, str], now: float) -> float:
        """429.

        Args:
            headers: of the answer. Where they say that requests are used up and when there are new ones, it
                is then; a 429 with requests left is about connections, and only patience helps.
            now: seconds since the epoch.
        """
        wait = self._doubled(self._x.rate_limit_first_seconds)
        reset = headers.get("x-rate-limit-reset", "")
        if reset.isdigit() and headers.get("x-rate-limit-remaining", "0") == "0":
            return min(max(float(reset) - now, 1.0), _LONGEST_RESET_SECONDS)
        return wait

    def _doubled(self, first: float) -> float:
        longest = max(self._x.http_max_seconds, first)
        self._http = min(max(self._http * 2, first), longest)
        return self._http
