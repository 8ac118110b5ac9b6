"""The topics counted once more, from where they are whole to where they end.

What the job has not committed is open, as is what falls into a window on the recount list: the tables may be
with or without it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from citypulse.spark.topics import SILENCE_S
from citypulse.spark.verify import records
from citypulse.spark.verify.tally import City, Post, Recount

Offsets = Mapping[TopicPartition, int]

_AT_ONCE = 5000


class Counted(msgspec.Struct):
    """What was read, and what it amounts to."""

    recount: Recount = msgspec.field(default_factory=Recount)
    records: int = 0
    aside: dict[tuple[str, int, int], str] = msgspec.field(default_factory=dict)
    """Why records count nowhere, by topic, partition and offset."""
    not_committed: int = 0
    """Records that the job has not committed."""


def count(
    consumer: KafkaConsumer,
    start: Offsets,
    end: Offsets,
    committed: Offsets,
    wanted: Callable[[int], bool],
    pending: Callable[[Post, str], bool],
    names: Mapping[str, City],
    progress: Callable[[int], None] = lambda records: None,
) -> Counted:
    """Read and count.

    Args:
        start: where each partition is read from.
        end: where each ends.
        committed: how far the job is.
        wanted: which windows, by their start in ms.
        pending: whether a post of a feed is in a window that is to be recounted.
        names: of cities, by id.
        progress: is told how many more records were read.

    Raises:
        KafkaError: the brokers gave no record for a long time.
    """
    result = Counted()
    for partition, some in read(consumer, start, end):
        progress(len(some))
        result.records += len(some)
        done = committed.get(partition, 0)
        for record in some:
            is_open = record.offset >= done
            result.not_committed += is_open
            one = records.read(record.value, record.timestamp)
            if one.fault:
                result.aside[partition.topic, partition.partition, record.offset] = one.fault
            post = one.post
            if post is None or not wanted(post.window):
                continue
            for feed in one.feeds:
                name = names.get(post.city or "")
                result.recount.add(post, feed, name, is_open or pending(post, feed))
    return result


def read(
    consumer: KafkaConsumer, since: Offsets, until: Offsets
) -> Iterator[tuple[TopicPartition, Sequence[Any]]]:
    """Records between two offsets of each partition, some at a time; those of a partition in their order.

    Raises:
        KafkaError: the brokers gave no record for `SILENCE_S` seconds.
    """
    left = {one for one in since if since[one] < until[one]}
    consumer.assign(sorted(left))
    for one in left:
        consumer.seek(one, since[one])
    heard = time.monotonic()
    while left:
        polled = consumer.poll(timeout_ms=500, max_records=_AT_ONCE)
        for partition, some in polled.items():
            if inside := [record for record in some if record.offset < until[partition]]:
                yield partition, inside
        # The position, not the last record: offsets may have gaps.
        for one in [one for one in left if consumer.position(one) >= until[one]]:
            left.discard(one)
            consumer.pause(one)
        if polled:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_S:
            names = ", ".join(sorted({partition.topic for partition in left}))
            raise KafkaError(f"the brokers gave no record of {names} for {SILENCE_S:g} s")
