"""Every retweet that X delivered for a watched post stands in Kafka with city and feeds of its original.

Tweets are generated, replay evaluates the rules that the producer adds while the stream goes on, two real
brokers keep the events, and the producer is killed in between.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from kafka import KafkaConsumer, TopicPartition

from citypulse.events import event as events
from citypulse.events.event import Event
from citypulse.producer.retweets.originals import retweeted
from tests.faults.servers import BROKERS, Servers
from tests.producing import Producer
from tests.replaying import Replay, new_seed
from tests.system import System

RUN = f"retweets{int(time.time())}"
"""Another for each session: servers that outlive one hold no other run's events in its topics."""
TOPICS = (f"{RUN}.tweets", f"{RUN}.tweets.ca")
FEEDS = [
    {"name": "all", "countries": ["CA", "GB"]},
    {"name": "canada", "countries": ["CA"], "topic": "tweets.ca"},
]
OURS = "citypulse/main/+retweets/"
FOREIGN = {"value": "somebody (else OR other)", "tag": "not ours"}


class Delivered(NamedTuple):
    """What replay has sent, by its truth."""

    retweets: dict[int, int]
    """Retweets that came for a watched post, with their originals."""
    posts: set[int]


class Running:
    """Replay and a producer that follows retweets."""

    def __init__(self, system: System, directory: Path) -> None:
        port = system.installation.port
        self.system = system
        self.servers = Servers(system, TOPICS)
        self.replay = Replay(directory, port(8950), new_seed())
        self.producer = Producer(
            directory,
            port(9350),
            run=RUN,
            base_url=self.replay.base_url,
            token=self.replay.tokens[0],
            bootstrap=system.bootstrap,
        )

    def start(self) -> None:
        self.replay.start(
            generator={"retweets": 0.5, "cities": 60, "countries": ["CA", "GB"]},
            play={"rate": 60},
            limits={"rules_post_requests": 10_000},
        )
        bearer = {"Authorization": f"Bearer {self.replay.tokens[0].read_text().strip()}"}
        url = f"{self.replay.base_url}/2/tweets/search/stream/rules"
        requests.post(url, json={"add": [FOREIGN]}, headers=bearer, timeout=10).raise_for_status()
        self.producer.start(
            feeds=FEEDS,
            retweets={"enabled": True, "change_seconds": 1, "requests_per_window": 10_000},
        )

    def delivered(self) -> Delivered:
        found = Delivered({}, set())
        for line in self.replay.truth.read_text().splitlines()[1:]:
            message = json.loads(line)["message"]
            tags = [rule["tag"] for rule in message["matching_rules"]]
            data = message["data"]
            if any(tag.startswith(OURS) for tag in tags):
                assert "geo" not in data
                (reference,) = data["referenced_tweets"]
                assert reference["type"] == "retweeted"
                found.retweets[int(data["id"])] = int(reference["id"])
            elif any(tag.startswith("citypulse/main/") for tag in tags):
                found.posts.add(int(data["id"]))
        return found

    def wait_for_retweets(self, count: int) -> None:
        self.producer.wait_for(
            f"{count} retweets of watched posts", lambda: len(self.delivered().retweets) >= count, 300
        )

    def events(self, topic: str) -> dict[int, Event]:
        """The first event of each id: the one that counts."""
        consumer = KafkaConsumer(
            bootstrap_servers=self.system.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found: dict[int, Event] = {}
        until = time.monotonic() + 120
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            assert time.monotonic() < until, f"{topic} was not read within 120 s"
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    event = events.decode(record.value)
                    found.setdefault(event.id, event)
        consumer.close()
        return found


@pytest.fixture
def running(system: System, tmp_path: Path) -> Iterator[Running]:
    made = Running(system, tmp_path)
    made.servers.make_topics(*TOPICS, partitions=4)
    made.servers.make_topics(f"{RUN}.places", f"{RUN}.gaps", partitions=1)
    yield made
    made.producer.clean_up()
    made.replay.stop()


def test_each_counts_where_its_original_does_after_kills_too(running: Running) -> None:
    """The second kill comes while no broker answers; what waits in the journal then is of earlier posts."""
    running.start()
    running.wait_for_retweets(150)
    before = running.delivered()
    running.producer.kill()
    running.wait_for_retweets(len(before.retweets) + 150)
    with running.servers.frozen(*BROKERS):
        running.producer.kill()
        running.wait_for_retweets(len(before.retweets) + 250)
    running.servers.wait_until_serving()
    running.producer.send(signal.SIGHUP)
    running.producer.wait_for(
        "the SIGHUP to be taken", lambda: running.producer.metric("reloads_total", outcome="taken")
    )
    running.wait_for_retweets(len(before.retweets) + 400)
    assert running.producer.metric("retweets_unknown_total") == 0
    assert running.producer.metric("retweet_rule_changes_total", outcome="refused") == 0
    rules = running.replay.rules()
    running.replay.stop()
    running.producer.until_drained()
    running.producer.stop()

    assert [rule["tag"] for rule in rules if rule["value"] == FOREIGN["value"]] == [FOREIGN["tag"]]
    assert len([rule for rule in rules if rule["tag"].startswith(OURS)]) > 1
    assert running.producer.ledger(running.replay.truth).well

    delivered = running.delivered()
    topics = {topic: running.events(topic) for topic in TOPICS}
    sent = {number for found in topics.values() for number in found}
    in_gaps = delivered.retweets.keys() - sent
    compared = across = 0
    for found in topics.values():
        for number, event in found.items():
            if number not in delivered.retweets:
                assert retweeted(event) is None
                continue
            original = found[delivered.retweets[number]]
            assert (event.place_id, event.country, event.city) == (
                original.place_id,
                original.country,
                original.city,
            )
            assert (event.lat, event.lon, event.feeds) == (original.lat, original.lon, original.feeds)
            compared += 1
            across += number not in before.retweets and original.id in before.posts
    for number, original_id in delivered.retweets.items():
        if number not in in_gaps:
            assert [number in found for found in topics.values()] == [
                original_id in found for found in topics.values()
            ]
    assert compared >= 400
    assert across > 20, "no retweet after the kill was of a post from before it"
    assert any(event.city for event in topics[TOPICS[1]].values())
