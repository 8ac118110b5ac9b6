"""What the topics still hold: from which moment on their windows are whole."""

import time
from collections.abc import Iterable

from kafka import KafkaConsumer, TopicPartition

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


def whole_after(consumer: KafkaConsumer, some: list[TopicPartition], seconds: float = 60.0) -> int | None:
    """The time after which no event can be missing at the head of a topic, in ms since the epoch.

    A window that starts at it or earlier may have lost events to retention. None where nothing was ever
    deleted. What is gone was appended no later than the first record that is left, and no event that counts
    is further ahead of its record than `AHEAD_MS`.

    Raises:
        KafkaError, OSError: the brokers do not answer.
        TimeoutError: no record came within `seconds`.
    """
    first, end = consumer.beginning_offsets(some), consumer.end_offsets(some)
    cut = [partition for partition in some if first[partition] > 0]
    if not cut:
        return None
    if any(first[partition] >= end[partition] for partition in cut):
        # Nothing is left of it, so that nothing tells until when it was deleted.
        return time.time_ns() // 1_000_000 + AHEAD_MS
    consumer.assign(cut)
    consumer.seek_to_beginning(*cut)
    left, times = set(cut), list[int]()
    deadline = time.monotonic() + seconds
    while left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no first record of {min(left).topic} came within {seconds:g} s")
        for partition, records in consumer.poll(timeout_ms=500, max_records=500).items():
            if records and partition in left:
                left.discard(partition)
                times.append(records[0].timestamp)
                consumer.pause(partition)
    consumer.resume(*cut)
    return max(times) + AHEAD_MS


def offsets_at(consumer: KafkaConsumer, some: list[TopicPartition], at: int) -> dict[TopicPartition, int]:
    """The first offset of each partition whose record was appended at a time (ms since the epoch) or later;
    the end where there is none."""
    found = consumer.offsets_for_times(dict.fromkeys(some, max(at, 0)))
    end = consumer.end_offsets(some)
    return {one: found[one].offset if found.get(one) else end[one] for one in some}
