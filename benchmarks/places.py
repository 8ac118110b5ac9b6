"""Which city a post's place belongs to: how many are right, how many are wrong, and what it costs.

    .citypulse/dev/bin/python -m benchmarks.places [--posts 200000] [--cities 1130]

Generated posts: the generator knows which city each was written in. They are resolved as the producer does,
in the order of their arrival, with no city of X known at the beginning, and once more with all that the first
pass has taught. A region or country without coordinates has no right city; one resolved to a city is wrong.

Real pages (CITYPULSE_TEST_DATA names their directory): each located post once, in the order of creation. A
place of type city is right by definition; of others nobody has written down the right city, so what came out
is listed for a person to read.
"""

from __future__ import annotations

import argparse
import heapq
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from citypulse.events.event import post_created_at_ms
from citypulse.events.messages import Message, Report, read
from citypulse.places import UNKNOWN_COUNTRY, Geo, Place, Resolver, XPlace, geonames
from citypulse.replay.config import Generator
from citypulse.replay.posts import PostMaker
from citypulse.replay.world import City, World, build_world

START_MS = 1_790_000_000_000
POSTS_PER_SECOND = 200


class Post(NamedTuple):
    geo: Geo
    places: list[XPlace]
    at: int
    right: str | None
    """X's id of the right city; None where there is none, or nobody knows."""
    type: str


class _Witness(PostMaker):
    """Remembers in which city a post was written."""

    def __init__(self, world: World, options: Generator) -> None:
        super().__init__(world, options)
        self.written_in: dict[str, str] = {}

    def _own(self, at: float, city: City, author: dict[str, Any], kind: float) -> Message:
        message = super()._own(at, city, author, kind)
        self.written_in[message.data["id"]] = city.places["city"][0]["id"]
        return message


def generated(world: World, posts: int, seed: int) -> Iterator[Post]:
    """Located posts in the order of their arrival."""
    maker = _Witness(world, Generator(seed=seed))
    waiting: list[tuple[float, int, Message]] = []
    number = 0
    for step in range(posts):
        at = START_MS + step * 1000 / POSTS_PER_SECOND
        for due, message in maker.post(at, float("inf")):
            heapq.heappush(waiting, (due, number := number + 1, message))
        while waiting and waiting[0][0] <= at:
            yield from _generated(world, maker, heapq.heappop(waiting)[2])
    while waiting:
        yield from _generated(world, maker, heapq.heappop(waiting)[2])


def _generated(world: World, maker: _Witness, message: Message) -> Iterator[Post]:
    for post in _located(message):
        right = world.right_city[post.places[0].id]
        if right is None and post.geo.coordinates is not None:
            right = maker.written_in[message.data["edit_history_tweet_ids"][0]]
        yield post._replace(right=right)


def captured(directory: Path) -> Iterator[Post]:
    """Located posts of real pages, file by file, in the order of their creation."""
    for file in sorted(directory.glob("*/*.json*")):
        messages = sorted(read(file, Report()), key=lambda message: message.data.get("created_at") or "")
        for message in messages:
            for post in _located(message):
                yield post._replace(right=post.places[0].id if post.type.startswith("city") else None)


def _located(message: Message) -> Iterator[Post]:
    geo = msgspec.convert(message.data.get("geo") or {}, Geo)
    places = msgspec.convert(message.includes.get("places") or [], list[XPlace])
    if geo.place_id and places:
        post = int((message.data.get("edit_history_tweet_ids") or [message.data["id"]])[0])
        kind = places[0].place_type + (" with coordinates" if geo.coordinates is not None else "")
        yield Post(geo, places, post_created_at_ms(post), None, kind)


def resolve(resolver: Resolver, posts: list[Post], country: str) -> tuple[list[Place | None], float]:
    """The city of each post, and processor time in microseconds a post."""
    locate = resolver.locate
    began = time.process_time()
    found = [
        locate(post.geo, post.places, country, post.at, (0, number)).city for number, post in enumerate(posts)
    ]
    return found, (time.process_time() - began) / len(posts) * 1e6


def judge(posts: list[Post], found: list[Place | None], show: int) -> None:
    """Print a table by type of place, and the first wrong ones."""
    tally: dict[str, Counter[str]] = {}
    for post, city in zip(posts, found, strict=True):
        if city is None:
            verdict = "nowhere" if post.right is None else "open"
        else:
            verdict = "right" if city.id == post.right else "wrong"
        for kind in (post.type, "all"):
            tally.setdefault(kind, Counter())[verdict] += 1
        if verdict == "wrong" and show > 0:
            show -= 1
            place = post.places[0]
            print(
                f"  {place.full_name} {place.bbox} is not in {city and city.full_name} {city and city.bbox}"
            )
    print(f"{'':32}{'posts':>9}{'right':>9}{'wrong':>9}{'not resolved':>14}{'no right city':>15}")
    for kind in [*sorted(tally.keys() - {"all"}), "all"]:
        counts = tally[kind]
        judged = max(counts["right"] + counts["wrong"] + counts["open"], 1)
        shares = (counts["right"] / judged, counts["wrong"] / judged, counts["open"] / judged)
        print(
            f"{kind:32}{counts.total():>9,}{shares[0]:>9.2%}{shares[1]:>9.3%}{shares[2]:>14.2%}"
            f"{counts['nowhere']:>15,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=200_000)
    parser.add_argument("--cities", type=int, default=1130)
    parser.add_argument("--countries", default="", help="ISO codes, separated by commas; none: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="how many wrong ones to print")
    options = parser.parse_args()
    began = time.process_time()
    gazetteer = geonames()
    print(f"gazetteer read in {time.process_time() - began:.2f} s")
    _generated_truth(options, Resolver(gazetteer), Resolver(gazetteer))
    _real_pages(Resolver(gazetteer))


def _generated_truth(options: argparse.Namespace, first: Resolver, second: Resolver) -> None:
    world = build_world(options.cities, [code for code in options.countries.split(",") if code])
    posts = list(generated(world, options.posts, options.seed))
    print(f"\n{len(posts):,} located posts of {len(world.cities):,} cities, {len(world.places):,} places")
    found, cost = resolve(first, posts, UNKNOWN_COUNTRY)
    print(f"\nno city known before: {cost:.1f} µs a post")
    judge(posts, found, options.show)
    second.learn(msgspec.structs.replace(city, learned=(-1, -1)) for city in first.cities())
    found, cost = resolve(second, posts, UNKNOWN_COUNTRY)
    print(f"\nall cities known before: {cost:.1f} µs a post")
    judge(posts, found, 0)


def _real_pages(resolver: Resolver) -> None:
    data = os.environ.get("CITYPULSE_TEST_DATA")
    posts = list(captured(Path(data))) if data else []
    if not posts:
        print("\nno real pages: CITYPULSE_TEST_DATA names the directory that has them")
        return
    found, _ = resolve(resolver, posts, "CA")
    print(f"\n{len(posts)} located posts of real pages in {data}")
    judge(posts, found, 0)
    for post, city in zip(posts, found, strict=True):
        if not post.type.startswith("city"):
            place = post.places[0]
            print(f"  {post.type}: {place.full_name} ({place.country_code}) in {city and city.full_name}")


if __name__ == "__main__":
    main()
