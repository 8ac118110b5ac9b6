"""A start knows what earlier runs knew, before it sends anything."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from citypulse import places
from citypulse.events import event as events
from citypulse.events.event import Event
from citypulse.producer import message
from citypulse.producer.config import Config, Feed, Journal, Retweets
from citypulse.producer.retweets.tail import Recalled
from citypulse.producer.send import brokers
from citypulse.producer.send.sender import Sender
from citypulse.producer.stream import rules
from tests.unit.producer import test_sender
from tests.unit.producer.test_sender import Durable, FakeKafka

from .made import FIRST, post, retweet

HOUR_MS = 3_600_000


class Topics:
    """Partitions of records, and a consumer that reads them as kafka-python's does."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[tuple[int, bytes | None]]] = {}
        self.up = True
        self.read = 0
        self._position: dict[TopicPartition, int] = {}

    def append(self, topic: str, partition: int, value: bytes | None, hours_ago: float = 0.0) -> None:
        at = int(time.time() * 1000 - hours_ago * HOUR_MS)
        self.records.setdefault(TopicPartition(topic, partition), []).append((at, value))

    def consumer(self, *_: object) -> Topics:
        if not self.up:
            raise KafkaTimeoutError
        return self

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {one.partition for one in self.records if one.topic == topic} or None

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        def first(partition: TopicPartition, since: int) -> Any:
            found = [n for n, (at, _) in enumerate(self.records[partition]) if at >= since]
            return SimpleNamespace(offset=found[0]) if found else None

        return {partition: first(partition, since) for partition, since in times.items()}

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._position = dict.fromkeys(partitions, 0)

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: len(self.records[partition]) for partition in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._position[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self._position[partition]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        for partition, position in self._position.items():
            for offset, (_, value) in list(enumerate(self.records[partition]))[position : position + 2]:
                found.setdefault(partition, []).append(SimpleNamespace(offset=offset, value=value))
                self._position[partition] = offset + 1
                self.read += 1
        return found

    def close(self) -> None:
        pass


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> Topics:
    made = Topics()
    monkeypatch.setattr(brokers, "consumer", made.consumer)
    return made


def config(directory: str = "journal", **retweets: Any) -> Config:
    feeds = (Feed("all", ("CA",)), Feed("fr", ("FR",), topic="tweets.fr"))
    return Config(
        feeds=feeds, journal=Journal(directory), retweets=Retweets(enabled=True, **{"known": 100} | retweets)
    )


def event_of(payload: bytes, of: Config, **changes: Any) -> Event:
    parse = message.parser(of, rules.configured(of))
    return msgspec.structs.replace(parse(payload, 2_000_000_000_000).deliveries[0].event, **changes)


def value(number: int, **changes: Any) -> bytes:
    return events.encode(event_of(post(FIRST + number), config(), **changes))


def recalled(of: Config) -> Recalled:
    found = Recalled(of)
    found.recall(lambda: False)
    return found


def test_located_posts_of_all_topics_and_partitions_are_known(topics: Topics) -> None:
    topics.append("tweets", 0, value(1))
    topics.append("tweets", 3, value(2))
    topics.append("tweets.fr", 0, value(3))
    found = recalled(config()).originals
    assert [found.find(FIRST + number) is not None for number in range(5)] == [False, True, True, True, False]


def test_what_is_older_than_the_hours_is_left(topics: Topics) -> None:
    topics.append("tweets", 0, value(1), hours_ago=3)
    topics.append("tweets", 0, value(2), hours_ago=1)
    topics.append("tweets", 1, value(3), hours_ago=3)
    assert len(recalled(config(tail_hours=2)).originals) == 1


def test_no_more_is_read_than_could_be_known(topics: Topics) -> None:
    for number in range(500):
        topics.append("tweets", number % 4, value(number))
    found = recalled(config(known=10))
    assert topics.read == 20
    assert len(found.originals) == 10


def test_others_producers_events_and_what_is_no_event_are_passed(topics: Topics) -> None:
    topics.append("tweets", 0, value(1, source="other"))
    topics.append("tweets", 0, b"poison")
    topics.append("tweets", 0, None)
    topics.append("tweets", 0, value(2))
    assert len(recalled(config()).originals) == 1


def test_topics_that_are_not_there_hold_nothing(topics: Topics) -> None:
    assert recalled(config()).done.is_set()


def test_a_stop_ends_the_reading(topics: Topics) -> None:
    topics.append("tweets", 0, value(1))
    found = Recalled(config())
    with pytest.raises(KafkaError):
        found.recall(lambda: True)
    assert not found.done.is_set()


kafka = test_sender.kafka
"""The fixture of the sender's own tests."""


def test_nothing_is_sent_before_and_what_waited_in_the_journal_is_credited(
    topics: Topics, kafka: FakeKafka, tmp_path: Path
) -> None:
    """The brokers come back; the retweet in the journal is of a post that an earlier run has sent."""
    of = config(str(tmp_path))
    topics.append("tweets", 0, value(0))
    topics.up = False
    running = test_sender.Running(tmp_path, kafka)
    resolver, known = places.Resolver(), Recalled(of)
    parse = message.parser(of, rules.configured(of), resolver=resolver)
    durable, book = Durable(running.writer), test_sender.Book()
    running.sender = Sender(of, parse, durable, book, resolver, recalled=known)  # type: ignore[arg-type]
    running.thread = threading.Thread(target=running.sender.run, daemon=True)
    running.journal(retweet(FIRST + 1, FIRST))
    running.thread.start()
    time.sleep(0.3)
    assert kafka.log == []
    topics.up = True
    running.until(lambda: bool(kafka.ids()), "sending")
    running.drain()
    (event,) = [events.decode(value) for topic, _, value in kafka.log if topic == "tweets"]
    assert (event.city, event.feeds) == ("CA:36775d842cbec509", ["all"])
