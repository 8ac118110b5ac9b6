"""Everything journaled reaches Kafka, in order; the cursor never passes what is not acknowledged."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
)
from kafka.future import Future

from citypulse import places
from citypulse.events import event as events
from citypulse.events import gap as gaps
from citypulse.events.gap import Gap
from citypulse.producer import message, metrics
from citypulse.producer.config import Config, Feed, Journal, Kafka
from citypulse.producer.journal import cursor
from citypulse.producer.journal.writer import Writer
from citypulse.producer.send import brokers, cities, kept
from citypulse.producer.send import sender as senders
from citypulse.producer.send.replicas import View
from citypulse.producer.send.sender import Sender
from citypulse.producer.stream import rules

DEADLINE = 30.0


class FakeFuture(Future):  # type: ignore[misc]
    """As kafka-python's, acknowledged when the test wants."""

    def get(self, timeout: float) -> Any:
        end = time.monotonic() + timeout
        while not self.is_done and time.monotonic() < end:
            time.sleep(0.001)
        if not self.is_done:
            raise KafkaTimeoutError
        if self.exception is not None:
            raise self.exception
        return self.value


class FakeKafka:
    """Brokers that outlive clients. `decide`: a record arrives (True), waits (None), or fails (the error)."""

    def __init__(self) -> None:
        self.log: list[tuple[str, bytes, bytes]] = []
        self.waiting: list[tuple[FakeFuture, str, bytes, bytes]] = []
        self.clients = 0
        self.up = True
        self.decide: Callable[[str, bytes], bool | Exception | None] = lambda _topic, _value: True
        self.cities: list[places.Place] = []
        self.most_waiting = 0

    def make(self, *_: object) -> "FakeKafka":
        self.clients += 1
        return self

    def places(self, *_: object) -> list[places.Place]:
        if not self.up:
            raise KafkaTimeoutError
        return list(self.cities)

    def send(self, topic: str, value: bytes, key: bytes) -> FakeFuture:
        if not self.up:
            time.sleep(0.01)
            raise KafkaTimeoutError
        future = FakeFuture()
        decision = self.decide(topic, value)
        if decision is True:
            self.log.append((topic, key, value))
            future.success(None)
        elif decision is None:
            self.waiting.append((future, topic, key, value))
            self.most_waiting = max(self.most_waiting, len(self.waiting))
        else:
            future.failure(decision)
        return future

    def acknowledge(self, count: int | None = None) -> None:
        for future, topic, key, value in self.waiting[:count]:
            self.log.append((topic, key, value))
            future.success(None)
        del self.waiting[:count]

    def resolved(self) -> dict[int, str | None]:
        """The city of each event, as it was in its last copy."""
        found = [events.decode(value) for to, _, value in self.log if to == "tweets"]
        return {event.id: event.city for event in found}

    def ids(self, topic: str = "tweets") -> list[int]:
        return [events.decode(value).id for to, _, value in self.log if to == topic]


class Durable:
    """Stands where the committer stands: everything in the journal is on disk."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.pruned: list[int] = []

    @property
    def durable(self) -> int:
        return self.writer.next_sequence

    fill = 0.1

    def wait_beyond(self, _sequence: int, _seconds: float) -> None:
        time.sleep(0.002)

    def prune(self, before: int, _keep_seconds: float) -> None:
        self.pruned.append(before)


class Book:
    """Stands where the book of gaps stands."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []

    def unpublished(self) -> list[Gap]:
        return list(self.gaps)

    def published(self, gap: Gap) -> None:
        self.gaps.remove(gap)


class Running:
    def __init__(self, directory: Path, kafka: FakeKafka, **settings: Any) -> None:
        self.config = Config(
            feeds=(Feed("all", ("CA",)), Feed("fr", ("FR",), topic="tweets.fr")),
            journal=Journal(str(directory)),
            kafka=Kafka(**settings),
        )
        self.writer = Writer(directory, 1 << 20)
        self.durable = Durable(self.writer)
        self.directory = directory
        self.kafka = kafka
        resolver = places.Resolver()
        parse = message.parser(self.config, rules.configured(self.config), resolver=resolver)
        self.book = Book()
        self.sender = Sender(self.config, parse, self.durable, self.book, resolver)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.sender.run, daemon=True)

    def journal(self, *payloads: bytes) -> None:
        self.writer.append([(1_900_000_000_000, payload) for payload in payloads])

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, f"{what} did not happen within {DEADLINE:g} s"
            assert self.thread.is_alive() or not self.thread.ident, "the sender died"
            time.sleep(0.005)

    def drain(self, seconds: float = DEADLINE) -> None:
        self.sender.stop(seconds)
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the sender did not stop"
        self.writer.close()


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKafka]:
    fake = FakeKafka()
    monkeypatch.setattr(brokers, "producer", fake.make)
    monkeypatch.setattr(brokers, "discard", lambda _client: None)
    monkeypatch.setattr(cities, "stored", fake.places)
    monkeypatch.setattr(senders, "_REPEAT_SECONDS", 0.01)
    monkeypatch.setattr(kept, "STORE_SECONDS", 0.01)
    yield fake


def post(number: int, city: str | None = None, tag: str = "citypulse/main/all/1") -> bytes:
    body: dict[str, Any] = {
        "data": {"id": str(number), "author_id": "1", "created_at": "2026-01-01T00:00:00.000Z"},
        "matching_rules": [{"id": "1", "tag": tag}],
    }
    if city:
        body["data"]["geo"] = {"place_id": city}
        body["includes"] = {
            "places": [
                {"id": city, "full_name": f"{city} at {number}", "place_type": "city", "country_code": "CA"}
            ]
        }
    return json.dumps(body).encode()


def city(place_id: str, learned: places.Order = (0, 0)) -> places.Place:
    name = f"{place_id}, Canada"
    return places.Place(
        place_id, f"CA:{place_id}", "CA", "city", place_id, name, None, None, 0, learned=learned
    )


def inside(number: int, city: str, kind: str = "neighborhood") -> bytes:
    body = json.loads(post(number, f"in-{city}"))
    body["includes"]["places"][0] |= {"place_type": kind, "contained_within": [city]}
    return json.dumps(body).encode()


def counted(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"citypulse_producer_{name}_total", labels) or 0.0


def test_what_is_journaled_is_sent_in_order_and_keyed_by_post(tmp_path: Path, kafka: FakeKafka) -> None:
    running = Running(tmp_path, kafka)
    running.journal(*[post(n) for n in range(1, 2001)])
    running.thread.start()
    running.until(lambda: len(kafka.log) == 2000, "2000 records")
    running.journal(*[post(n) for n in range(2001, 2101)])
    running.drain()
    assert kafka.ids() == list(range(1, 2101))
    assert all(key == b"%d" % events.decode(value).post for _, key, value in kafka.log)
    assert cursor.load(tmp_path) == 2101
    assert running.durable.pruned[-1] == 2101


def test_the_cursor_stays_before_the_first_record_that_is_not_acknowledged(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    kafka.decide = lambda _topic, value: None if events.decode(value).id == 5 else True
    running = Running(tmp_path, kafka)
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: len(kafka.log) == 9, "nine records")
    running.until(lambda: cursor.load(tmp_path) == 5, "the cursor at the fifth record")
    time.sleep(0.1)
    assert cursor.load(tmp_path) == 5
    kafka.acknowledge()
    running.drain()
    assert cursor.load(tmp_path) == 11


def test_what_is_in_flight_is_bounded(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.decide = lambda *_: None
    running = Running(tmp_path, kafka, in_flight_records=20)
    running.journal(*[post(n) for n in range(1, 101)])
    running.thread.start()
    while len(kafka.log) < 100:
        running.until(lambda: bool(kafka.waiting), "something in flight")
        assert len(running.sender.in_flight) <= 20
        kafka.acknowledge(3)
    running.drain()
    assert kafka.most_waiting <= 20
    assert kafka.ids() == list(range(1, 101))
    assert running.sender.in_flight.bytes == 0


def test_bytes_in_flight_are_bounded_too(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.decide = lambda *_: None
    running = Running(tmp_path, kafka, in_flight_bytes=2000)
    running.journal(*[post(n) for n in range(1, 51)])
    running.thread.start()
    running.until(lambda: running.sender.in_flight.bytes >= 2000, "a full buffer")
    time.sleep(0.05)
    assert len(kafka.waiting) < 15
    while len(kafka.log) < 50:
        kafka.acknowledge()
        time.sleep(0.001)
    running.drain()


def test_a_record_that_the_client_gives_up_is_sent_again_with_all_behind_it(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    failed: list[int] = []

    def once(_topic: str, value: bytes) -> bool | Exception:
        number = events.decode(value).id
        if number == 7 and not failed:
            failed.append(number)
            return NotLeaderForPartitionError()
        return True

    kafka.decide = once
    before = counted("resends", cause="NotLeaderForPartitionError")
    running = Running(tmp_path, kafka)
    running.journal(*[post(n) for n in range(1, 21)])
    running.thread.start()
    running.until(lambda: 7 in kafka.ids(), "the seventh record")
    running.drain()
    assert kafka.clients == 2
    assert set(kafka.ids()) == set(range(1, 21))
    # In order again from the one that failed on; copies are harmless.
    assert kafka.ids()[-14:] == list(range(7, 21))
    assert counted("resends", cause="NotLeaderForPartitionError") == before + 1
    assert cursor.load(tmp_path) == 21


def test_a_record_that_kafka_refuses_for_good_is_set_aside_and_stops_nothing(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    kafka.decide = lambda _topic, value: MessageSizeTooLargeError() if events.decode(value).id == 2 else True
    running = Running(tmp_path, kafka)
    running.journal(post(1), post(2), post(3))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1, 3], "the two others")
    running.drain()
    (kept,) = (tmp_path / "dead-letters.jsonl").read_text().splitlines()
    assert json.loads(kept)["sequence"] == 2
    assert "MessageSizeTooLarge" in json.loads(kept)["reason"]
    assert cursor.load(tmp_path) == 4


def test_a_batch_that_is_refused_as_a_whole_costs_only_the_record_that_is_to_blame(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    """An invalid record fails those of its batch with it; alone, each of them is taken."""
    running = Running(tmp_path, kafka)

    def decide(_topic: str, value: bytes) -> bool | Exception:
        batch = [events.decode(waiting).id for _, _, waiting, _ in kafka.waiting]
        number = events.decode(value).id
        together = kafka.clients == 1
        if number == 6:
            return InvalidRecordError()
        return KafkaError("part of a batch with an invalid record") if together and number > 3 else not batch

    kafka.decide = decide
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: kafka.ids()[-1:] == [10], "the last record")
    running.drain()
    (kept,) = (tmp_path / "dead-letters.jsonl").read_text().splitlines()
    assert json.loads(kept)["sequence"] == 6
    assert set(kafka.ids()) == {1, 2, 3, 4, 5, 7, 8, 9, 10}
    assert cursor.load(tmp_path) == 11


def test_a_record_behind_one_that_is_sent_alone_is_not_blamed_with_it(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    """Handed over while the last of those sent alone is under way, it would share that one's batch."""
    running = Running(tmp_path, kafka)

    def decide(_topic: str, value: bytes) -> bool | Exception | None:
        if kafka.clients == 1:
            return MessageSizeTooLargeError()
        if events.decode(value).id in (10, 11):
            return None
        return MessageSizeTooLargeError() if kafka.waiting else True

    kafka.decide = decide
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: bool(kafka.waiting), "the last of those that are sent alone")
    running.journal(*[post(n) for n in range(11, 16)])
    for waiting in (10, 11):
        running.until(lambda: len(kafka.waiting) == 1, f"record {waiting}")
        time.sleep(0.1)
        future, *_ = kafka.waiting.pop()
        future.failure(MessageSizeTooLargeError())
    running.until(lambda: kafka.ids()[-1:] == [15], "the last record")
    running.drain()
    kept = (tmp_path / "dead-letters.jsonl").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in kept] == [10, 11]
    assert set(kafka.ids()) == {*range(1, 10), 12, 13, 14, 15}


def test_a_client_that_hangs_is_made_anew(tmp_path: Path, kafka: FakeKafka) -> None:
    """kafka-python's wedge: records that are never acknowledged and never fail."""
    kafka.decide = lambda *_: None if kafka.clients == 1 else True
    before = counted("resends", cause="watchdog")
    running = Running(tmp_path, kafka, watchdog_seconds=0.3)
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: kafka.ids() == list(range(1, 11)), "all of them, from the second client")
    running.drain()
    assert counted("resends", cause="watchdog") > before


def test_a_city_that_is_never_acknowledged_does_not_hold_the_sender_for_ever(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    kafka.decide = lambda topic, _value: None if topic == "places" and kafka.clients == 1 else True
    running = Running(tmp_path, kafka, watchdog_seconds=0.3)
    running.journal(post(1, "aaa"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1], "the event")
    running.drain()


def test_an_open_circuit_hands_nothing_over_and_the_journal_waits(tmp_path: Path, kafka: FakeKafka) -> None:
    running = Running(tmp_path, kafka)
    running.sender.replicas.view = View(0, 2, "no broker answers", "", None)
    running.thread.start()
    running.until(lambda: running.sender.circuit.state == "open", "an open circuit")
    running.journal(*[post(n) for n in range(1, 11)])
    time.sleep(0.5)
    assert kafka.log == []
    running.sender.replicas.view = View(2, 2, "", "", (1,))
    running.until(lambda: kafka.ids() == list(range(1, 11)), "all of them")
    running.drain()


class TestDurabilityAvailable:
    """What is acknowledged stays in the journal until every replica has it."""

    def test_the_cursor_waits_for_all_replicas(self, tmp_path: Path, kafka: FakeKafka) -> None:
        running = Running(tmp_path, kafka, durability="available")
        running.journal(*[post(n) for n in range(1, 11)])
        running.thread.start()
        running.until(lambda: running.sender.acknowledged == 11, "all acknowledged")
        time.sleep(0.1)
        assert cursor.load(tmp_path) is None
        running.sender.replicas.replicated = 7
        running.until(lambda: cursor.load(tmp_path) == 7, "the cursor at what is replicated")
        running.drain()
        assert cursor.load(tmp_path) == 7

    def test_a_leader_that_changed_has_the_rest_sent_again(self, tmp_path: Path, kafka: FakeKafka) -> None:
        running = Running(tmp_path, kafka, durability="available")
        running.journal(*[post(n) for n in range(1, 11)])
        running.thread.start()
        running.until(lambda: running.sender.acknowledged == 11, "all acknowledged")
        running.sender.replicas.replicated = 4
        running.sender.replicas.lost_leader = True
        running.until(lambda: len(kafka.log) == 17, "seven of them once more")
        assert not running.sender.replicas.lost_leader
        running.drain()
        assert kafka.ids() == [*range(1, 11), *range(4, 11)]

    def test_a_journal_that_is_nearly_full_lets_go_of_single_copies_and_counts_them(
        self, tmp_path: Path, kafka: FakeKafka
    ) -> None:
        before = counted("released_single_copies")
        running = Running(tmp_path, kafka, durability="available")
        running.journal(*[post(n) for n in range(1, 11)])
        running.durable.fill = 0.9
        running.thread.start()
        running.until(lambda: cursor.load(tmp_path) == 11, "the cursor behind all of them")
        running.drain()
        assert counted("released_single_copies") == before + 10


def test_gaps_are_published_and_what_is_not_acknowledged_stays(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.decide = lambda topic, _value: None if topic == "gaps" else True
    running = Running(tmp_path, kafka)
    running.book.gaps.append(Gap("main-1", "main", ("all",), ("CA",), 1, 2, "network"))
    running.journal(post(1))
    running.thread.start()
    running.until(lambda: bool(kafka.waiting) and kafka.ids() == [1], "the event, and the gap on its way")
    assert running.book.gaps
    kafka.acknowledge()
    running.until(lambda: not running.book.gaps, "the gap to be noted as published")
    running.drain()
    assert [gaps.decode(value).id for topic, _, value in kafka.log if topic == "gaps"] == ["main-1"]


def test_the_drain_is_no_faster_than_it_may_be(tmp_path: Path, kafka: FakeKafka) -> None:
    running = Running(tmp_path, kafka, drain_records_per_second=50.0)
    running.journal(*[post(n) for n in range(1, 101)])
    began = time.monotonic()
    running.thread.start()
    running.until(lambda: len(kafka.log) == 100, "all records")
    assert time.monotonic() - began >= 1.9
    running.drain()


def test_a_message_that_is_no_post_is_set_aside_with_its_bytes(tmp_path: Path, kafka: FakeKafka) -> None:
    before = counted("set_aside", reason="malformed")
    running = Running(tmp_path, kafka)
    running.journal(post(1), b"{not json \xff", post(2), b"{also not")
    running.thread.start()
    running.until(lambda: kafka.ids() == [1, 2], "the two posts")
    running.until(lambda: cursor.load(tmp_path) == 5, "the cursor behind what is set aside")
    running.drain()
    kept = [json.loads(line) for line in (tmp_path / "set-aside.jsonl").read_text().splitlines()]
    assert [entry["sequence"] for entry in kept] == [2, 4]
    assert counted("set_aside", reason="malformed") == before + 2


def test_a_post_without_its_place_is_counted_and_a_copy_is_set_aside(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    before = counted("set_aside", reason="place_without_object")
    body = json.loads(post(1))
    body["data"]["geo"] = {"place_id": "aaa"}
    running = Running(tmp_path, kafka)
    running.journal(json.dumps(body).encode())
    running.thread.start()
    running.until(lambda: kafka.ids() == [1], "the event")
    running.drain()
    assert counted("set_aside", reason="place_without_object") == before + 1
    (kept,) = (tmp_path / "set-aside.jsonl").read_text().splitlines()
    assert json.loads(kept)["reason"] == "place_without_object"


def test_messages_of_other_rules_are_passed(tmp_path: Path, kafka: FakeKafka) -> None:
    before, untagged = counted("foreign"), counted("set_aside", reason="without_tag")
    running = Running(tmp_path, kafka)
    running.journal(post(1, tag="somebody's"), post(2), post(3, tag=""))
    running.thread.start()
    running.until(lambda: cursor.load(tmp_path) == 4, "the cursor behind all three")
    running.drain()
    assert kafka.ids() == [2]
    assert counted("foreign") == before + 1
    assert counted("set_aside", reason="without_tag") == untagged + 1


def test_feeds_go_to_their_topics(tmp_path: Path, kafka: FakeKafka) -> None:
    running = Running(tmp_path, kafka)
    running.journal(post(1), post(2, tag="citypulse/main/fr/1"))
    running.thread.start()
    running.until(lambda: len(kafka.log) == 2, "both records")
    running.drain()
    assert kafka.ids("tweets") == [1]
    assert kafka.ids("tweets.fr") == [2]


def test_a_start_without_brokers_is_a_normal_start(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.up = False
    running = Running(tmp_path, kafka)
    running.thread.start()
    running.journal(post(1))
    running.until(lambda: running.sender.oldest_at == 1_900_000_000_000, "the age of what waits")
    assert not running.sender.connected
    kafka.up = True
    running.until(lambda: kafka.ids() == [1], "the record")
    running.drain()


def test_a_city_is_published_and_acknowledged_before_its_first_event(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    kafka.decide = lambda topic, _value: None if topic == "places" else True
    running = Running(tmp_path, kafka)
    running.journal(post(1, "aaa"), post(2, "bbb"), post(3, "aaa"))
    running.thread.start()
    running.until(lambda: len(kafka.waiting) == 2, "both cities")
    time.sleep(0.1)
    assert kafka.log == []
    assert cursor.load(tmp_path) is None
    kafka.acknowledge()
    running.until(lambda: kafka.ids() == [1, 2, 3], "the events")
    running.journal(post(4, "aaa"))
    running.drain()
    published = [places.decode(value) for topic, _, value in kafka.log if topic == "places"]
    assert [(place.city, place.full_name) for place in published] == [
        ("CA:aaa", "aaa at 1"),
        ("CA:bbb", "bbb at 2"),
    ]
    assert [key for topic, key, _ in kafka.log if topic == "places"] == [b"CA:aaa", b"CA:bbb"]


def test_a_city_that_is_known_keeps_the_name_first_seen(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.cities = [city("aaa")]
    running = Running(tmp_path, kafka)
    running.journal(post(1, "aaa"), post(2, "bbb"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1, 2], "the events")
    running.drain()
    assert [key for topic, key, _ in kafka.log if topic == "places"] == [b"CA:bbb"]


def test_a_place_is_resolved_to_a_city_that_the_topic_holds(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.cities = [city("aaa")]
    before = counted("unresolved_places", type="poi")
    running = Running(tmp_path, kafka)
    running.journal(inside(1, "aaa"), inside(2, "bbb", "poi"), post(3, "bbb"), inside(4, "bbb", "poi"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1, 2, 3, 4], "the events")
    running.drain()
    assert kafka.resolved() == {1: "CA:aaa", 2: None, 3: "CA:bbb", 4: "CA:bbb"}
    assert counted("unresolved_places", type="poi") == before + 1


def test_what_is_sent_again_is_resolved_as_it_was_the_first_time(tmp_path: Path, kafka: FakeKafka) -> None:
    failed: list[int] = []

    def once(topic: str, value: bytes) -> bool | Exception:
        if topic == "tweets" and events.decode(value).id == 1 and not failed:
            failed.append(1)
            return KafkaTimeoutError()
        return True

    kafka.decide = once
    running = Running(tmp_path, kafka)
    running.journal(inside(1, "aaa"), post(2, "aaa"), inside(3, "aaa"))
    running.thread.start()
    running.until(lambda: kafka.ids()[-3:] == [1, 2, 3], "the events again")
    running.drain()
    assert failed
    assert kafka.resolved() == {1: None, 2: "CA:aaa", 3: "CA:aaa"}


def test_a_restart_resolves_what_was_not_sent_as_it_was_the_first_time(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    # The city is in the topic already: it was published before the process died, and no event was sent.
    kafka.cities = [city("aaa", (1_900_000_000_000, 2))]
    running = Running(tmp_path, kafka)
    running.journal(inside(1, "aaa"), post(2, "aaa"), inside(3, "aaa"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1, 2, 3], "the events")
    running.drain()
    assert kafka.resolved() == {1: None, 2: "CA:aaa", 3: "CA:aaa"}


def test_a_city_that_the_topic_lost_is_published_again_with_the_next_post_that_is_resolved_to_it(
    tmp_path: Path, kafka: FakeKafka
) -> None:
    kafka.cities = [city("aaa")]
    running = Running(tmp_path, kafka)
    running.journal(inside(1, "aaa"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1], "the first event")
    kafka.cities = []
    kafka.decide = lambda _topic, _value: KafkaTimeoutError()
    running.journal(post(2))
    running.until(lambda: kafka.clients > 1, "another client")
    kafka.decide = lambda _topic, _value: True
    running.journal(inside(3, "aaa"))
    running.until(lambda: kafka.ids()[-1:] == [3], "the event after it")
    running.drain()
    assert [key for topic, key, _ in kafka.log if topic == "places"] == [b"CA:aaa"]


def test_a_city_whose_record_failed_is_published_again(tmp_path: Path, kafka: FakeKafka) -> None:
    failed: list[str] = []

    def once(topic: str, _value: bytes) -> bool | Exception:
        if topic == "places" and not failed:
            failed.append(topic)
            return NotLeaderForPartitionError()
        return True

    kafka.decide = once
    running = Running(tmp_path, kafka)
    running.journal(post(1, "aaa"))
    running.thread.start()
    running.until(lambda: kafka.ids() == [1], "the event")
    running.drain()
    assert [topic for topic, _, _ in kafka.log] == ["places", "tweets"]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_city_whose_record_kafka_refuses_for_good_holds_up_no_event(
    tmp_path: Path, kafka: FakeKafka, at_once: bool
) -> None:
    send = kafka.send

    def refuses(topic: str, value: bytes, key: bytes) -> FakeFuture:
        if at_once and topic == "places" and b"first" in value:
            raise MessageSizeTooLargeError
        return send(topic, value, key)

    kafka.send = refuses  # type: ignore[method-assign]
    kafka.decide = lambda topic, value: (
        MessageSizeTooLargeError() if topic == "places" and b"first" in value else True
    )
    running = Running(tmp_path, kafka)
    running.journal(post(1, city="first"), post(2, city="second"), post(3, city="first"))
    running.thread.start()
    running.until(lambda: len(kafka.ids()) == 3, "the events")
    running.drain()
    assert kafka.ids() == [1, 2, 3]
    assert [value for topic, value, _ in kafka.log if topic == "places" and b"second" in value]


def test_a_sender_that_starts_again_goes_on_behind_the_cursor(tmp_path: Path, kafka: FakeKafka) -> None:
    running = Running(tmp_path, kafka)
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: len(kafka.log) == 10, "ten records")
    running.drain()
    again = Running(tmp_path, kafka)
    again.journal(*[post(n) for n in range(11, 16)])
    again.thread.start()
    again.until(lambda: len(kafka.log) == 15, "five more")
    again.drain()
    assert kafka.ids() == list(range(1, 16))


def test_a_stop_without_brokers_leaves_the_rest_in_the_journal(tmp_path: Path, kafka: FakeKafka) -> None:
    kafka.decide = lambda _topic, value: True if events.decode(value).id <= 3 else None
    running = Running(tmp_path, kafka)
    running.journal(*[post(n) for n in range(1, 11)])
    running.thread.start()
    running.until(lambda: len(kafka.waiting) == 7, "seven in flight")
    running.drain(seconds=0.1)
    assert cursor.load(tmp_path) == 4
    kafka.decide = lambda *_: True
    kafka.waiting.clear()
    again = Running(tmp_path, kafka)
    again.thread.start()
    again.until(lambda: set(kafka.ids()) == set(range(1, 11)), "the rest")
    again.drain()
