"""Events as producers write them, made up: cities by a power law or evenly, users by another."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from citypulse.events.event import Event, Ref
from citypulse.places import Place

START = 1767312000000
COUNTRIES = ["CA", "GB", "US", "FR", "DE", "IN", "BR", "JP"]
USERS = 200_000


def places(cities: int, seed: int = 7) -> list[Place]:
    """Cities of X, somewhere."""
    chance = random.Random(seed)
    made = []
    for number in range(cities):
        country, place = COUNTRIES[number % len(COUNTRIES)], f"{chance.getrandbits(64):016x}"
        lat, lon = round(chance.uniform(-60, 60), 5), round(chance.uniform(-120, 120), 5)
        name = f"City {number}"
        made.append(
            Place(
                place, f"{country}:{place}", country, "city", name, f"{name}, {country}", lat, lon, at=START
            )
        )
    return made


def events(
    count: int, cities: int = 1130, users: int = USERS, minutes: float = 20, seed: int = 7
) -> Iterator[Event]:
    """`count` events in the order of their creation, spread evenly over `minutes`, most in few cities."""
    chance = random.Random(seed)
    known = places(cities, seed)
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(cities)))
    for number in range(count):
        at = START + int(number * minutes * 60_000 / count)
        (place,) = chance.choices(known, cum_weights=weights)
        yield event(place, at, number, chance, users)


def evenly(known: Sequence[Place], count: int, since: int, minutes: float, seed: int = 7) -> Iterator[Event]:
    """`count` events from `since` (ms) on, spread evenly over `minutes` and over cities."""
    chance = random.Random(seed)
    for number in range(count):
        at = since + int(number * minutes * 60_000 / count)
        yield event(known[number % len(known)], at, number, chance)


def event(place: Place, at: int, number: int, chance: random.Random, users: int = USERS) -> Event:
    """One of a place, created at `at` (ms); the number keeps posts of one time apart."""
    post = post_at(at, number)
    kind = chance.choices(["", "replied_to", "quoted"], [50, 35, 15])[0]
    return Event(
        id=post,
        post=post,
        at=at // 1000 * 1000,
        author=author(chance, users),
        refs=[Ref(kind, post - 123_456_789)] if kind else [],
        place_id=place.id,
        country=place.country,
        city=place.city if chance.random() < 0.97 else None,
        lat=place.lat,
        lon=place.lon,
        feeds=["all"],
        received=at + 800,
        source="main",
    )


def post_at(at: int, number: int) -> int:
    """The id of a post of this time (ms), as X makes them; the number keeps posts of one time apart."""
    return (at - 1288834974657 << 22) | (number & 0x3FFFFF)


def author(chance: random.Random, users: int = USERS) -> int:
    """One of some users, a few of whom write most."""
    return 1_400_000_000_000_000_000 + int(users * chance.random() ** 3)
