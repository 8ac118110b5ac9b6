"""How far Kafka's topics reach."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaConsumer, TopicPartition


def end_offsets(bootstrap: Sequence[str], topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """The offset after the last record of each (topic, partition)."""
    consumer = KafkaConsumer(bootstrap_servers=list(bootstrap), api_version=(3, 9))
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in topics
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        ends = consumer.end_offsets(partitions) if partitions else {}
        return {(p.topic, p.partition): int(offset) for p, offset in ends.items()}
    finally:
        consumer.close()
