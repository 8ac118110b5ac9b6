"""What the requests hold: generated posts, by the generator that a demo has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import msgspec

from citypulse.loadtest.plan import Plan
from citypulse.replay.config import Generator
from citypulse.replay.generator import open_generator
from citypulse.replay.pace import Pace
from citypulse.replay.world import build_world

_CITIES = 1130


def bodies(plan: Plan, now_ms: int) -> Iterator[bytes]:
    """A JSON list of posts for each request of the plan, made when it is asked for.

    `now_ms` is when the first is to leave: each post was created shortly before it leaves, none after. There
    are no retweets, which no rule for places matches: nearly all that leaves reaches the pipeline.
    """
    options = Generator(cities=_CITIES, count=plan.posts, retweets=0.0)
    pace = Pace(rate=plan.rate)
    made = open_generator(build_world(options.cities, options.countries), options, pace)(now_ms)
    encode = msgspec.json.Encoder().encode
    for _, count in plan.requests():
        yield encode([due.message for due in islice(made, count)])
