"""Events as producers write them, made up: 1,130 cities and 200,000 users by power laws, 20 minutes of event
time."""

import itertools
import random
from collections.abc import Iterator

from citypulse.events.event import Event, Ref

START = 1767312000000
COUNTRIES = ["CA", "GB", "US", "FR", "DE", "IN", "BR", "JP"]


def events(
    count: int, cities: int = 1130, users: int = 200_000, minutes: float = 20, seed: int = 7
) -> Iterator[Event]:
    """`count` events in the order of their creation, spread evenly over `minutes`."""
    chance = random.Random(seed)
    places = []
    for number in range(cities):
        country, place = COUNTRIES[number % len(COUNTRIES)], f"{chance.getrandbits(64):016x}"
        places.append(
            (country, place, round(chance.uniform(-60, 60), 5), round(chance.uniform(-120, 120), 5))
        )
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(cities)))
    for number in range(count):
        at = START + int(number * minutes * 60_000 / count)
        post = (at - 1288834974657 << 22) | (number & 0x3FFFFF)
        country, place, lat, lon = chance.choices(places, cum_weights=weights)[0]
        kind = chance.choices(["", "replied_to", "quoted"], [50, 35, 15])[0]
        yield Event(
            id=post,
            post=post,
            at=at // 1000 * 1000,
            author=1_400_000_000_000_000_000 + int(users * chance.random() ** 3),
            refs=[Ref(kind, post - 123_456_789)] if kind else [],
            place_id=place,
            country=country,
            city=f"{country}:{place}" if chance.random() < 0.97 else None,
            lat=lat,
            lon=lon,
            feeds=["all"],
            received=at + 800,
            source="main",
        )
