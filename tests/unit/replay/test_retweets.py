"""Retweets of watched posts: by rules that are added while the stream goes on, and in X's shape."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from citypulse.events.messages import Message
from citypulse.replay.config import Generator
from citypulse.replay.generator import generate
from citypulse.replay.pace import Pace
from citypulse.replay.world import build_world

from .served import STREAM, lines, messages, serving

FIELDS = "?tweet.fields=author_id,geo,referenced_tweets&expansions=geo.place_id,referenced_tweets.id"
START_MS = 1_767_225_600_000


def test_a_rule_that_is_added_while_streaming_brings_the_retweets_of_its_posts(tmp_path: Path) -> None:
    arguments = ["--generate", "--rate", "300", "--countries", "CA", "--retweets", "0.6", "--hold"]
    with serving(tmp_path, *arguments) as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM + FIELDS) as stream:
            located = [message["data"]["id"] for message in messages(stream, 200)]
            (rule,) = served.add_rules(" OR ".join(f"retweets_of_tweet_id:{post}" for post in located[:23]))
            for line in lines(stream):
                message = json.loads(line) if line else {"matching_rules": []}
                if rule["id"] in [matched["id"] for matched in message["matching_rules"]]:
                    break
    (reference,) = message["data"]["referenced_tweets"]
    assert reference["type"] == "retweeted"
    assert reference["id"] in located[:23]
    assert "geo" not in message["data"]
    assert "places" not in message["includes"]
    (original,) = message["includes"]["tweets"]
    assert original["id"] == reference["id"]
    assert original["geo"]["place_id"]


def made(**law: float) -> list[Message]:
    options = Generator(seed=5, density=40, duration_seconds=600, retweets=0.4, **law)  # type: ignore[arg-type]
    return [due.message for due in generate(build_world(100, []), options, Pace(speed=0), START_MS)]


def test_a_heavy_tail_is_one_in_delays_and_in_retweets_of_a_post() -> None:
    found = made(retweet_tail=0.3)
    pairs = [
        (int(message.data["id"]), int(reference["id"]))
        for message in found
        for reference in message.data.get("referenced_tweets", ())
        if reference["type"] == "retweeted"
    ]
    delays = sorted((retweet - original >> 22) / 1000 for retweet, original in pairs)
    assert delays[len(delays) // 4] < 15, "a quarter of the retweets comes within seconds"
    assert delays[-len(delays) // 20] > 60, "a twentieth comes after a minute and more"
    counts = Counter(original for _, original in pairs).most_common()
    assert sum(count for _, count in counts[: len(counts) // 10]) > len(pairs) / 4
    assert sum(count == 1 for _, count in counts) > len(counts) / 3
