"""When each request leaves, and how many posts it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

MOST_REQUESTS_S = 50.0
"""Beyond so many posts a second several share a request: the pipeline is to be loaded, not replay's HTTP."""


class Planned(NamedTuple):
    """A request: seconds from the beginning at which it leaves, and its number of posts."""

    at: float
    posts: int


class Plan(NamedTuple):
    """A steady load: posts a second, for so many seconds."""

    rate: float
    seconds: float

    @property
    def posts(self) -> int:
        """How many posts there are in all, at least one."""
        return max(1, round(self.rate * self.seconds))

    def due(self, seconds: float) -> int:
        """How many posts are to have left so many seconds after the beginning."""
        return min(self.posts, max(0, math.floor(seconds * self.rate) + 1)) if seconds >= 0 else 0

    def requests(self) -> Iterator[Planned]:
        """All requests in their order. Each leaves when the last of its posts is due."""
        together = max(1, math.ceil(self.rate / MOST_REQUESTS_S))
        for first in range(0, self.posts, together):
            count = min(together, self.posts - first)
            yield Planned((first + count - 1) / self.rate, count)
