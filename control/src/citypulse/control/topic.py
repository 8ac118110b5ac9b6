"""How far Kafka's topics reach."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError


def end_offsets(bootstrap: Sequence[str], topics: Sequence[str]) -> dict[tuple[str, int], int] | None:
    """The offset after the last record of each (topic, partition); None while no broker answers."""
    try:
        consumer = KafkaConsumer(bootstrap_servers=list(bootstrap), request_timeout_ms=10_000)
    except KafkaError:
        return None
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        ends = consumer.end_offsets(partitions) if partitions else {}
    except KafkaError:
        return None
    finally:
        consumer.close()
    return {(p.topic, p.partition): int(offset) for p, offset in ends.items()}
