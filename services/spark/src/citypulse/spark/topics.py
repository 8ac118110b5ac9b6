"""Kafka beside Spark: waiting for brokers and topics, and how far the topics reach."""

import time
from collections.abc import Callable, Iterable, Iterator

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse.spark.config import Kafka
from citypulse.spark.errors import StopError

_log = structlog.get_logger()

SILENCE_S = 60.0

Offsets = dict[str, dict[str, int]]
"""By topic and partition."""


def consumer(kafka: Kafka, client_id: str) -> KafkaConsumer:
    """A consumer without a group."""
    return KafkaConsumer(
        bootstrap_servers=list(kafka.bootstrap_servers),
        enable_auto_commit=False,
        request_timeout_ms=20_000,
        client_id=client_id,
    )


def reader_options(kafka: Kafka) -> dict[str, str]:
    """Options of Spark's Kafka source, wherever events are read.

    After every poll Spark asks the broker for the partition's first and last offset, and forgets what was
    fetched beyond the poll. The question waits behind the consumer's next fetch, which the broker answers
    when there is more, or after `fetch.max.wait.ms`: by default half a second for each small batch.
    """
    return {
        "kafka.bootstrap.servers": ",".join(kafka.bootstrap_servers),
        "kafka.fetch.max.wait.ms": "10",
        # By default 500: as many questions and repeated fetches for each batch.
        "kafka.max.poll.records": "10000",
    }


def unread(kafka: Kafka, error: Exception) -> StopError:
    """What a command ends with when brokers failed at a request."""
    where = ",".join(kafka.bootstrap_servers)
    return StopError(f"kafka.bootstrap_servers = {where} cannot be read: {type(error).__name__}: {error}")


def wait(kafka: Kafka, topics: Iterable[str], stopped: Callable[[], bool] = lambda: False) -> KafkaConsumer:
    """A consumer, as soon as all topics are there; says every few seconds what it waits for.

    Raises:
        StopError: they were not there in `kafka.wait_seconds`, or the process was told to stop.
    """
    began, said = time.monotonic(), -5.0
    found: KafkaConsumer | None = None
    while True:
        reason = ""
        try:
            found = found or consumer(kafka, "citypulse-spark-lag")
            missing = sorted(set(topics) - set(found.topics()))
            if not missing:
                return found
            reason = f"no topic {', '.join(missing)}"
        except (KafkaError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
        waited = time.monotonic() - began
        where = ",".join(kafka.bootstrap_servers)
        if stopped():
            raise StopError("stopped while waiting for Kafka")
        if waited > kafka.wait_seconds:
            raise StopError(
                f"kafka.bootstrap_servers = {where} was not ready within {kafka.wait_seconds:.0f} s: {reason}"
            )
        if waited - said >= 5:
            _log.info("waiting for Kafka", where=where, waited_s=round(waited), reason=reason)
            said = waited
        time.sleep(1)


def ends(found: KafkaConsumer, topics: Iterable[str]) -> Offsets:
    """End offsets of the topics."""
    partitions = [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(found.partitions_for_topic(topic) or ())
    ]
    return _by_topic(found.end_offsets(partitions))


def read_to_end(found: KafkaConsumer, partitions: Iterable[TopicPartition]) -> Iterator[ConsumerRecord]:
    """The records of assigned partitions, from where the consumer stands to where they end now.

    Raises:
        KafkaError: the brokers gave no record for `SILENCE_S` seconds.
    """
    ends = found.end_offsets(list(partitions))
    heard = time.monotonic()
    # The position, not the last record: compaction leaves gaps, at the end too.
    while any(found.position(partition) < end for partition, end in ends.items()):
        batches = found.poll(timeout_ms=500, max_records=5000)
        for records in batches.values():
            yield from records
        if batches:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_S:
            names = ", ".join(sorted({partition.topic for partition in ends}))
            raise KafkaError(f"the brokers gave no record of {names} for {SILENCE_S:g} s")


def appended(found: KafkaConsumer, starts: Offsets) -> list[int]:
    """When the first records that are left from some offsets on were appended, in ms since the epoch; only of
    partitions that begin beyond offset 0, and the present for one that has none left.

    Raises:
        KafkaError: the brokers gave no record for `SILENCE_S` seconds.
    """
    cut = {
        TopicPartition(topic, int(number)): offset
        for topic, partitions in starts.items()
        for number, offset in partitions.items()
        if offset > 0
    }
    if not cut:
        return []
    first, ends = found.beginning_offsets(list(cut)), found.end_offsets(list(cut))
    times: dict[TopicPartition, int] = {}
    found.assign(list(cut))
    for partition, offset in cut.items():
        if max(offset, first[partition]) >= ends[partition]:
            times[partition] = time.time_ns() // 1_000_000
            found.pause(partition)
        found.seek(partition, max(offset, first[partition]))
    heard = time.monotonic()
    while len(times) < len(cut):
        for partition, records in found.poll(timeout_ms=500, max_records=500).items():
            times.setdefault(partition, records[0].timestamp)
            found.pause(partition)
            heard = time.monotonic()
        if time.monotonic() - heard > SILENCE_S:
            raise KafkaError(f"the brokers gave no record for {SILENCE_S:g} s")
    found.resume(*cut)
    return list(times.values())


def _by_topic(offsets: dict[TopicPartition, int]) -> Offsets:
    result: Offsets = {}
    for partition, offset in offsets.items():
        result.setdefault(partition.topic, {})[str(partition.partition)] = offset
    return result
