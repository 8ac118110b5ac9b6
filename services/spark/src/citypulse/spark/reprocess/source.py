"""What is recounted: records of Kafka and lines of journals, as one table."""

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

import msgspec
from kafka import TopicPartition
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark import topics
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError

Offsets = Mapping[TopicPartition, int]


class Journal(msgspec.Struct, frozen=True):
    """A file of events that `citypulse-producer journal export --events` wrote."""

    path: Path
    since: int
    """It holds everything that its producer received from then on, in ms since the epoch."""
    until: int
    """Up to then."""


class _Head(msgspec.Struct):
    """The file's first line."""

    journal: int
    producer: str
    since: int
    until: int


def kafka(spark: SparkSession, config: Config, start: Offsets, end: Offsets) -> DataFrame:
    """Records between two offsets of each partition: `value`, `timestamp`, and what orders them: `source`,
    `topic`, `partition`, `offset`."""
    partitions: dict[str, list[int]] = {}
    for one in start:
        partitions.setdefault(one.topic, []).append(one.partition)
    return (
        spark.read.format("kafka")
        .options(**topics.reader_options(config.kafka))
        .option("assign", msgspec.json.encode(partitions).decode())
        .option("startingOffsets", _json(start))
        .option("endingOffsets", _json(end))
        # A count that lacks what retention takes meanwhile would be written over a right one.
        .option("failOnDataLoss", "true")
        .load()
        .select("value", "timestamp", F.lit(1).alias("source"), "topic", "partition", "offset")
    )


def journals(spark: SparkSession, config: Config, some: Sequence[Journal]) -> DataFrame:
    """The same of journals. They come before Kafka's records; a line's time is when it was received."""
    line = "topic STRING, event STRING"
    received = F.get_json_object("line.event", "$.received").cast("long")
    frames = []
    for number, journal in enumerate(some):
        read = spark.read.text(str(journal.path)).select(
            F.from_json("value", line).alias("line"), F.monotonically_increasing_id().alias("offset")
        )
        frames.append(
            read.where(F.col("line.topic").isin(list(config.prefixed_topics))).select(
                F.col("line.event").cast("binary").alias("value"),
                F.timestamp_millis(received).alias("timestamp"),
                F.lit(0).alias("source"),
                F.col("line.topic").alias("topic"),
                F.lit(number).alias("partition"),
                "offset",
            )
        )
    return reduce(DataFrame.unionByName, frames)


def look(path: Path) -> Journal:
    """What a journal's file spans.

    Raises:
        BadInputError: it cannot be read, or is no such file.
    """
    try:
        with path.open("rb") as lines:
            head = msgspec.json.decode(lines.readline(), type=_Head)
    except OSError as error:
        raise BadInputError(f"--journal {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"--journal {path} does not begin as an export of events does ({error}): write it with"
            " `citypulse-producer journal export --events`"
        ) from error
    return Journal(path.absolute(), head.since, head.until)


def _json(offsets: Offsets) -> str:
    by_topic: dict[str, dict[str, int]] = {}
    for one, offset in offsets.items():
        by_topic.setdefault(one.topic, {})[str(one.partition)] = offset
    return msgspec.json.encode(by_topic).decode()
