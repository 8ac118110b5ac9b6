"""The Kafka client, set so that nothing is lost, reordered, or given up.

What kafka-python would do otherwise: ask for the brokers' version, and so fail to start without brokers (the
version is given); give records up after two minutes (a day here: `sender` decides, from the age of the
oldest); create topics by accident (they are the deployment's); block `send` for a minute without metadata (a
moment, so that a stop is heard).
"""

import time
from collections.abc import Callable

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from citypulse.producer.config import Kafka

GIVE_UP_MS = 24 * 3600 * 1000
BLOCK_MS = 1000
_ANSWER_SECONDS = 5.0

Stopping = Callable[[], bool]
"""Once true, reading ends early."""


def common(kafka: Kafka, client_id: str) -> dict[str, object]:
    """What every client of the brokers is told."""
    return {
        "bootstrap_servers": list(kafka.bootstrap_servers),
        "client_id": client_id,
        "request_timeout_ms": kafka.request_timeout_ms,
        "reconnect_backoff_ms": 100,
        "reconnect_backoff_max_ms": 2000,
        "metadata_max_age_ms": 60_000,
    }


def version(kafka: Kafka) -> tuple[int, ...]:
    """The brokers' version. It is given, not asked for, so that a client starts without them."""
    return tuple(int(part) for part in kafka.api_version.split("."))


def producer(kafka: Kafka, client_id: str) -> KafkaProducer:
    """A client that sends in order, with acks=all.

    It starts without brokers, and finds them when they come.
    """
    return KafkaProducer(
        **common(kafka, client_id),
        api_version=version(kafka),
        acks="all",
        enable_idempotence=True,
        delivery_timeout_ms=GIVE_UP_MS,
        max_block_ms=BLOCK_MS,
        linger_ms=kafka.linger_ms,
        batch_size=kafka.batch_bytes,
        compression_type=None if kafka.compression == "none" else kafka.compression,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def discard(client: KafkaProducer) -> None:
    """End a client whose records may never be acknowledged; those are given up.

    `close` alone would wait for them, raise, and leave its thread and their memory behind.
    """
    client._sender.force_close()
    client._sender.join(5)
    client.close(timeout=0)


def consumer(kafka: Kafka, client_id: str) -> KafkaConsumer:
    """A client that reads whole topics; it is in no group and commits nothing.

    Raises:
        KafkaError: no broker answers. Asked for topics later, the client would wait for one without end.
    """
    made: list[KafkaNetClient] = []

    def make(**settings: object) -> KafkaNetClient:
        made.append(KafkaNetClient(**settings))
        return made[-1]

    try:
        return KafkaConsumer(
            **common(kafka, client_id),
            kafka_client=make,
            bootstrap_timeout_ms=int(_ANSWER_SECONDS * 1000),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_bytes=16 << 20,
            max_partition_fetch_bytes=4 << 20,
            max_poll_records=20_000,
            check_crcs=False,
            metrics_enabled=False,
        )
    except KafkaError:
        # A consumer that was not made has started a thread with sockets all the same.
        for client in made:
            client.close()
        raise


def retention_ms(kafka: Kafka, topic: str) -> int:
    """How long the topic keeps records, in ms.

    Raises:
        KafkaError: the brokers do not answer.
    """
    admin = KafkaAdminClient(bootstrap_servers=list(kafka.bootstrap_servers))
    try:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        admin.close()
    return int(found["topic"][topic]["retention.ms"]["value"])


def read_topic(
    client: KafkaConsumer,
    topic: str,
    take: Callable[[ConsumerRecord], None],
    stopping: Stopping,
    since: Callable[[TopicPartition, int, int], int] = lambda _partition, start, _end: start,
) -> bool:
    """Read a topic from its beginning, or from where it is said, to where it ends now.

    Args:
        client: as `consumer` makes it.
        topic: its full name.
        take: called with each record.
        stopping: once true, reading ends early.
        since: the offset to begin at, of a partition, its first offset and its end.

    Returns:
        Whether it was read to its end; False where the topic does not exist or reading ended early.

    Raises:
        KafkaError: the brokers do not answer.
    """
    numbers = client.partitions_for_topic(topic)
    if not numbers:
        return False
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    client.assign(partitions)
    ends = client.end_offsets(partitions)
    starts = {
        partition: since(partition, start, ends[partition])
        for partition, start in client.beginning_offsets(partitions).items()
    }
    open_partitions = {partition for partition in partitions if starts[partition] < ends[partition]}
    for partition, start in starts.items():
        client.seek(partition, start)
    heard = time.monotonic()
    while open_partitions:
        if stopping():
            return False
        batches = client.poll(timeout_ms=500)
        for partition, records in batches.items():
            for record in records:
                if record.offset < ends[partition]:
                    take(record)
        # The position, not the last record: compaction leaves gaps, at the end too.
        open_partitions = {p for p in open_partitions if client.position(p) < ends[p]}
        if batches:
            heard = time.monotonic()
        elif time.monotonic() - heard > _ANSWER_SECONDS:
            raise KafkaError(f"the brokers gave no record of {topic} for {_ANSWER_SECONDS:g} s")
    return True
