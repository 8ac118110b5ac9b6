"""What the topics still hold: from which moment on their windows are whole."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from citypulse.spark.config import Kafka

Offsets = dict[TopicPartition, int]

AHEAD_MS = 5 * 60 * 1000
"""How far a counted event may be ahead of the time at which the broker appended it."""


def partitions(consumer: KafkaConsumer, topics: Iterable[str]) -> list[TopicPartition]:
    """All partitions of those of the topics that are there."""
    present = sorted(set(topics) & set(consumer.topics()))
    return [
        TopicPartition(topic, number)
        for topic in present
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]


def retention_ms(kafka: Kafka, topics: Iterable[str]) -> int:
    """The shortest time in ms for which the topics keep their records; 0 where that is not said.

    Raises:
        KafkaError, OSError: the brokers do not answer.
    """
    admin = KafkaAdminClient(
        bootstrap_servers=list(kafka.bootstrap_servers), client_id="citypulse-spark-retention"
    )
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None}) for topic in topics]
        told: dict[str, dict[str, Any]] = admin.describe_configs(asked, config_filter="all").get("topic", {})
    finally:
        admin.close()
    times = [int(one["retention.ms"]["value"]) for one in told.values() if "retention.ms" in one]
    # -1 keeps everything: what is gone was deleted by hand, any time.
    return max(min(times, default=0), 0)


def whole_after(
    consumer: KafkaConsumer, some: list[TopicPartition], retention_ms: int = 0, seconds: float = 60.0
) -> int | None:
    """The time after which no event can be missing at the head of a topic, in ms since the epoch.

    A window that starts at it or earlier may have lost events to retention. None where nothing was ever
    deleted. What is gone was appended no later than the first record that is left, or if none is left of a
    partition, any time; and no event that counts is further ahead of its record than `AHEAD_MS`.

    Args:
        consumer: is assigned to other partitions by this.
        some: the partitions.
        retention_ms: how long records are kept for certain. Someone may delete them by hand sooner.
        seconds: how long a first record may take.

    Raises:
        KafkaError, OSError: the brokers do not answer.
        TimeoutError: no record came within `seconds`.
    """
    first, end = beginnings(consumer, some), ends(consumer, some)
    cut = [partition for partition in some if first[partition] > 0]
    if not cut:
        return None
    left, times = {one for one in cut if first[one] < end[one]}, list[int]()
    if len(left) < len(cut):
        times.append(time.time_ns() // 1_000_000 - retention_ms)
    consumer.assign(sorted(left))
    consumer.seek_to_beginning(*left)
    deadline = time.monotonic() + seconds
    while left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no first record of {min(left).topic} came within {seconds:g} s")
        for partition, records in consumer.poll(timeout_ms=500, max_records=500).items():
            if records and partition in left:
                left.discard(partition)
                times.append(records[0].timestamp)
                consumer.pause(partition)
    return max(times) + AHEAD_MS


def beginnings(consumer: KafkaConsumer, some: list[TopicPartition]) -> Offsets:
    """The first offset that is kept of each partition.

    Raises:
        KafkaError: the brokers do not say it of all of them.
    """
    return _of_all(consumer.beginning_offsets, some)


def ends(consumer: KafkaConsumer, some: list[TopicPartition]) -> Offsets:
    """The offset after the last record of each partition.

    Raises:
        KafkaError: the brokers do not say it of all of them.
    """
    return _of_all(consumer.end_offsets, some)


def offsets_at(consumer: KafkaConsumer, some: list[TopicPartition], at: int) -> Offsets:
    """An offset of each partition before which every record was appended before a time (ms since the epoch).

    It is the first offset that was appended then or later; where no such record is found the beginning, since
    the client says the same of a partition that it could not ask.

    Raises:
        KafkaError: the brokers do not answer.
    """
    found = consumer.offsets_for_times(dict.fromkeys(some, max(at, 0)))
    first = beginnings(consumer, some)
    return {one: found[one].offset if found.get(one) else first[one] for one in some}


def _of_all(
    ask: Callable[[list[TopicPartition]], Offsets], some: list[TopicPartition], seconds: float = 30.0
) -> Offsets:
    """Ask until every partition has its answer: the client breaks off where a leader is not known for now."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask(some)
        except KeyError as error:
            if time.monotonic() > deadline:
                raise KafkaError(f"the brokers do not say how far {error} reaches") from error
        time.sleep(0.2)
