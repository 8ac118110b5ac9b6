"""Which posts to watch. `benchmarks.retweets` measures it; the decision is in docs/decisions.md.

A post is retweeted the more, the more it has been; and the less, the older it is. Delays between a post and
its retweets have a heavy tail: their density falls like a power of the age (Zhao et al., SEISMIC, KDD 2015,
find it flat for some minutes, then falling with an exponent of 1.24).
"""

import heapq
from collections.abc import Callable, Mapping
from typing import Literal

from citypulse.producer.retweets.candidates import Candidate

Policy = Literal["mix", "newest", "most_retweeted"]
Score = Callable[[Candidate, int], float]
"""How much a post is worth watching at a time (ms since the epoch)."""

FLAT_MS = 300_000
"""Up to about this age a post's retweets come as fast as ever."""
PRIOR = 1.0
"""Retweets that are expected of a post of which none is known."""


def mix(candidate: Candidate, now: int) -> float:
    """Retweets that are to be expected per unit of time, but for a factor that is the same for all."""
    return (candidate.retweets + PRIOR) / (max(now - candidate.at, 0) + FLAT_MS)


def newest(candidate: Candidate, now: int) -> float:
    """The newest first, whatever became of it."""
    return float(candidate.at - now)


def most_retweeted(candidate: Candidate, now: int) -> float:
    """The most retweeted first, however old; of equals the newest."""
    return candidate.retweets - max(now - candidate.at, 0) / 1e12


SCORES: dict[Policy, Score] = {"mix": mix, "newest": newest, "most_retweeted": most_retweeted}


def best(candidates: Mapping[int, Candidate], now: int, most: int, score: Score) -> list[int]:
    """The ids of those that are most worth watching, the best first; of equals the larger id.

    Args:
        candidates: by id.
        now: ms since the epoch.
        most: how many may be watched.
        score: by which policy.
    """
    scored = [(score(found, now), post) for post, found in candidates.items()]
    chosen = heapq.nlargest(most, scored) if most < len(scored) else sorted(scored, reverse=True)
    return [post for _, post in chosen]
