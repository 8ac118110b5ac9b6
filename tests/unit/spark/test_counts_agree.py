"""Job, reprocess and recount, three ways of counting the same records, say the same of each cell."""

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from citypulse.spark.config import Config
from citypulse.spark.counting import query
from citypulse.spark.reprocess import cells as reprocess
from citypulse.spark.reprocess import source
from citypulse.spark.verify import records
from citypulse.spark.verify.stored import sketch_estimate
from citypulse.spark.verify.tally import WINDOW_MS, Cell, Recount

DAYS = {
    "the end of a year": 1_767_225_600_000,
    "the spring day of 23 hours in London": 1_774_746_000_000,
    "the autumn day of 25 hours in London": 1_792_890_000_000,
}
"""A moment of each day (ms, UTC) around which the events lie: midnight, and twice 01:00 UTC."""

KINDS = ["retweeted", "replied_to", "quoted"]
NAMES = ["tweets", "originals", "replies", "quotes", "retweets", "unresolved"]
Values = dict[str, Any]


class Record(NamedTuple):
    """A record as Kafka keeps it, in the order of offsets."""

    value: str
    appended: int


@st.composite
def kafka(draw: st.DrawFn) -> list[Record]:
    """Records of half an hour around a moment, in disorder within the watermark, with copies that differ."""
    noon = draw(st.sampled_from(sorted(DAYS.values())))
    at = st.one_of(
        st.integers(-4, 4).map(lambda windows: windows * WINDOW_MS),
        st.integers(-4, 4).map(lambda windows: windows * WINDOW_MS - 1),
        st.integers(-4 * WINDOW_MS, 4 * WINDOW_MS),
    )
    events = st.fixed_dictionaries(
        {
            "post": st.integers(1, 12),
            "at": at.map(lambda offset: noon + offset),
            "author": st.one_of(st.none(), st.integers(1, 5)),
            "refs": st.lists(
                st.sampled_from(["retweeted", "replied_to", "quoted"]).map(
                    lambda kind: {"type": kind, "id": 1}
                ),
                max_size=2,
            ),
            "country": st.sampled_from([None, "CA", "GB"]),
            "city": st.sampled_from([None, "1", "2"]),
            "feeds": st.lists(st.sampled_from(["all", "vote"]), max_size=3),
            "received": st.just(noon),
        }
    )
    made: list[Values] = draw(st.lists(events, min_size=1, max_size=40))
    # A stretch of 10 minutes is the watermark: within it any order is right.
    made.sort(key=lambda event: event["at"] // (2 * WINDOW_MS))
    result = []
    for event in made:
        city = f"{event['country']}:{event['city']}" if event["country"] and event["city"] else None
        appended = event["at"] + draw(st.sampled_from([1000, -300_000, -300_001]))
        value = msgspec.json.encode({**event, "id": event["post"], "city": city}).decode()
        broken = draw(st.sampled_from([value] * 9 + [value[:-9], '{"post":"?"}']))
        result.append(Record(broken, appended))
    return result


def recounted(some: list[Record]) -> dict[tuple[str, str, str, int], Cell]:
    result = Recount()
    for record in some:
        one = records.read(record.value.encode(), record.appended)
        for feed in one.feeds if one.post else ():
            result.add(one.post, feed)
    return result.cells


def plain(rows: list[Any]) -> dict[tuple[str, str, str, int], Values]:
    return {
        (row["feed"], row["country"], row["city_id"], row["window_start"]): {
            **{name: row[name] for name in NAMES},
            "active_users": row["active_users"],
            "sketch": sketch_estimate(bytes(row["users_sketch"])),
        }
        for row in rows
    }


def wanted(cells: dict[tuple[str, str, str, int], Cell]) -> dict[tuple[str, str, str, int], Values]:
    return {
        key: {
            **{name: getattr(cell, name) for name in NAMES},
            "active_users": len(cell.users),
            "sketch": len(cell.users),
        }
        for key, cell in cells.items()
    }


@settings(max_examples=25, deadline=None)
@given(some=kafka())
def test_reprocess_counts_what_the_recount_counts(spark: SparkSession, some: list[Record]) -> None:
    again = wanted(recounted(some))
    rows = reprocess.recount(frame(spark, some), (0, 1 << 50)).collect()
    assert plain(rows) == again
    if again:
        window = min(key[3] for key in again)
        span = window, window + WINDOW_MS
        one = reprocess.recount(frame(spark, some), span, {window}, "CA", "all").collect()
        inside = {k: v for k, v in again.items() if k[0] == "all" and k[1] in "CA*" and k[3] == window}
        assert plain(one) == inside


@settings(max_examples=6, deadline=None)
@given(some=kafka(), batches=st.integers(1, 3))
def test_the_job_counts_what_the_recount_counts(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, some: list[Record], batches: int
) -> None:
    directory = tmp_path_factory.mktemp("stream")
    size = -(-len(some) // batches)
    parts = [some[start : start + size] for start in range(0, len(some), size)]
    assert plain(streamed(spark, directory, parts)) == wanted(recounted(some))
    shutil.rmtree(directory)


def frame(spark: SparkSession, some: list[Record]) -> DataFrame:
    """Out of the order of their offsets: it is the offset that says which copy is first."""
    rows = [
        (record.value.encode(), record.appended, 1, "tweets", 0, offset) for offset, record in enumerate(some)
    ]
    schema = "value BINARY, appended LONG, source INT, topic STRING, partition INT, offset LONG"
    made = spark.createDataFrame(rows[::-1], schema)
    return made.withColumn("timestamp", query.F.timestamp_millis("appended")).drop("appended")


def streamed(spark: SparkSession, directory: Path, parts: list[list[Record]]) -> list[Any]:
    """The last state of each cell after a micro-batch for each part."""
    fed = directory / "in"
    fed.mkdir()
    for number, part in enumerate(parts):
        file = fed / f"{number:03d}.txt"
        file.write_text("".join(f"{record.appended}\t{record.value}\n" for record in part))
        os.utime(file, (number + 1, number + 1))
    cells: dict[Any, Any] = {}

    def keep(rows: DataFrame, _batch: int) -> None:
        for row in rows.collect():
            cells[row["feed"], row["country"], row["city_id"], row["window_start"]] = row

    parts_of = query.F.split("value", "\t", 2)
    read = spark.readStream.option("maxFilesPerTrigger", 1).text(str(fed))
    values = read.select(
        parts_of[1].alias("value"), query.F.timestamp_millis(parts_of[0].cast("long")).alias("timestamp")
    )
    running = (
        query.count(query.parse(values), "10 minutes")
        .writeStream.outputMode("update")
        .option("checkpointLocation", str(directory / "checkpoint"))
        .trigger(availableNow=True)
        .foreachBatch(keep)
        .start()
    )
    assert running.awaitTermination(240), "the query did not end within 240 s"
    return list(cells.values())


def test_lines_of_a_journal_count_like_records_and_before_them(spark: SparkSession, tmp_path: Path) -> None:
    """The journal's copy of a post is the older one; what another run's topic got is not counted."""
    at = DAYS["the end of a year"]

    def event(post: int, author: int, received: int = at) -> str:
        value = {"post": post, "at": at, "author": author, "refs": [], "country": "CA", "city": None}
        return msgspec.json.encode({**value, "feeds": ["all"], "received": received}).decode()

    file = tmp_path / "events.jsonl"
    lines = [("tweets", event(1, 7)), ("other", event(2, 8)), ("tweets", event(3, 9, received=at - 300_001))]
    head = '{"journal":1,"producer":"main","since":0,"until":1}\n'
    file.write_text(head + "".join(f'{{"topic":"{topic}","event":{value}}}\n' for topic, value in lines))
    read = source.journals(spark, Config(), [source.look(file)])
    topic = frame(spark, [Record(event(1, 70), at), Record(event(4, 10), at)])
    rows = reprocess.recount(read.unionByName(topic), (at, at + 1)).collect()
    country = plain(rows)["all", "CA", "", at]
    assert (country["tweets"], country["active_users"]) == (2, 2)
    author = reprocess.lowest(query.parse(read.unionByName(topic))).where("post = 1").collect()[0]["author"]
    assert author == 7
