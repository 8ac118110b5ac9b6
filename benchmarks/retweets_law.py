"""A stream of located posts and their retweets, with heavy tails in both numbers and delays; numbers alone.

- Retweets of a post: Lomax with shape `COUNT_SHAPE`, rounded down. Most posts have none, a few thousands.
- Delay of a retweet: Lomax with shape 0.242 beyond a flat time of 300 s, cut at two days: the density falls
  with the power 1.242 that Zhao et al. (SEISMIC, KDD 2015) fitted to 3.2 M retweets.
- Posts come evenly at random over the time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

COUNT_SHAPE = 1.2
DELAY_SHAPE = 0.242
FLAT_MS = 300_000
LONGEST_MS = 2 * 86_400_000
MOST_RETWEETS = 20_000


class Happens(NamedTuple):
    """A post or a retweet."""

    at: int
    """ms since the beginning."""
    post: int
    """Number of the post that is made, or retweeted."""
    is_retweet: bool


def stream(seed: int, hours: float, posts_per_second: float, retweets_per_post: float) -> list[Happens]:
    """All that happens in a time, in its order.

    Args:
        seed: the same gives the same.
        hours: that it lasts. What is retweeted later is left out.
        posts_per_second: located posts.
        retweets_per_post: on average, before what comes too late is left out.
    """
    rng = random.Random(seed)
    end = int(hours * 3_600_000)
    # The mean of a Lomax law is scale / (shape - 1); rounding down and the bound take about half of it.
    scale = 2 * retweets_per_post * (COUNT_SHAPE - 1)
    happens: list[Happens] = []
    at, post = 0.0, 0
    while (at := at + rng.expovariate(posts_per_second) * 1000) < end:
        post += 1
        happens.append(Happens(int(at), post, is_retweet=False))
        for delay in _delays(rng, scale):
            if at + delay < end:
                happens.append(Happens(int(at + delay) + 1, post, is_retweet=True))
    happens.sort()
    return happens


def _delays(rng: random.Random, scale: float) -> Iterator[float]:
    for _ in range(min(int(_lomax(rng, COUNT_SHAPE, scale)), MOST_RETWEETS)):
        delay = _lomax(rng, DELAY_SHAPE, FLAT_MS)
        while delay > LONGEST_MS:
            delay = _lomax(rng, DELAY_SHAPE, FLAT_MS)
        yield delay


def _lomax(rng: random.Random, shape: float, scale: float) -> float:
    return float(scale * ((1.0 - rng.random()) ** (-1 / shape) - 1))
