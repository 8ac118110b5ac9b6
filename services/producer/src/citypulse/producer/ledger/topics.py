"""What the topics hold."""

import contextlib
import time
from collections import Counter
from typing import NamedTuple

import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse.producer.config import Config
from citypulse.producer.errors import StopError
from citypulse.producer.send import brokers


class Topic(NamedTuple):
    """What a topic holds."""

    ids: Counter[int]
    """How often each id is there."""
    reaches_back_to: int
    """What was received later than this (ms since the epoch) retention has not taken; 0: it took nothing."""


class _Ids(msgspec.Struct):
    id: int


def read(config: Config, topic: str) -> Topic:
    """Read a topic from its beginning to where it ends now.

    Raises:
        StopError: it cannot be read, does not exist, or holds something else.
    """
    ids: Counter[int] = Counter()
    decoder = msgspec.json.Decoder(_Ids)
    oldest: dict[int, ConsumerRecord] = {}

    def take(record: ConsumerRecord) -> None:
        oldest.setdefault(record.partition, record)
        if record.value is not None:
            ids[decoder.decode(record.value).id] += 1

    began = int(time.time() * 1000)
    try:
        with contextlib.closing(
            brokers.consumer(config.kafka, f"citypulse-producer-{config.name}-ledger")
        ) as client:
            there = brokers.read_topic(client, topic, take, lambda: False)
            starts = client.beginning_offsets(client.assignment()) if there else {}
        retention = brokers.retention_ms(config.kafka, topic) if any(starts.values()) else 0
    except KafkaError as error:
        raise StopError(f"topic {topic} cannot be read: {type(error).__name__}: {error}") from error
    except msgspec.DecodeError as error:
        raise StopError(f"topic {topic} holds a record that is no event: {error}") from error
    if not there:
        raise StopError(f"topic {topic} does not exist on {', '.join(config.kafka.bootstrap_servers)}")
    # A partition's records stand in the order of their times, so what came after its oldest is all there; one
    # that is empty now has lost what was older than the retention time.
    reach = [
        oldest[partition.partition].timestamp if partition.partition in oldest else began - retention
        for partition, start in starts.items()
        if start > 0
    ]
    return Topic(ids, max(reach, default=0))
