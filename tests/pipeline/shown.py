"""Tweets of three days in tables of their own, for dashboards to show."""

from __future__ import annotations

import random

from citypulse.board.moments import Range
from tests.pipeline.test_rolling import FEEDS, NOW, Running
from tests.system import System
from tests.unit.spark.rolling_windows import DAY, HOUR, City

__all__ = ["FEEDS", "HOURS", "KEYSPACE", "NOW", "Running", "written"]

NAMES = ("Val-d'Or, Québec", "St. John's, Newfoundland", "東京", "Zürich", "Äänekoski", "Toronto, Ontario")
KEYSPACE = "citypulse_rolling"
COUNTRIES = ("CA", "GB", "JP")
HOURS = {"window": Range(NOW - 6 * HOUR, NOW), "hour": Range(NOW - 3 * DAY, NOW)}


def written(system: System) -> Running:
    """Tweets from 36 cities, the last hour denser, with hours and lists."""
    made = Running(system)
    chance = random.Random(11)
    for country in COUNTRIES:
        for number in range(12):
            name = f"{NAMES[number % len(NAMES)]} {country} {number // len(NAMES)}"
            made.windows.cities[country, f"{country}:{number}"] = City(name, 1.5, -2.5)
    for step in range(2_000):
        country = chance.choice(COUNTRIES)
        made.windows.tweet(
            country,
            f"{country}:{min(11, int(chance.expovariate(0.3)))}",
            NOW - chance.randrange(HOUR if step % 4 == 0 else 3 * DAY),
            author=chance.randrange(40),
            kind=chance.choice(("originals", "replies", "quotes", "retweets")),
            feed=chance.choice(FEEDS),
        )
    made.write()
    made.tick(NOW)
    return made
