"""The query on Spark itself, in this process, against the recount in plain Python."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from citypulse.spark.counting import query
from citypulse.spark.verify.compare import Comparison, compare, expected
from citypulse.spark.verify.recount import recount
from citypulse.spark.verify.stored import KEYS, sketch_estimate

from .tweets import CITIES, START, lines, many, tweet

APPENDED = START + 26 * 60_000
"""When the broker appended every record, in ms."""

Cells = dict[tuple[str, str, str, int], Row]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "1000000")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def counted(spark: SparkSession, directory: Path, batches: list[str]) -> tuple[Cells, list[dict[str, int]]]:
    """Each text is a micro-batch with a record a line; gives the last state of each cell, and what was
    observed."""
    source = directory / "in"
    source.mkdir()
    cells: Cells = {}

    def keep(rows: DataFrame, batch: int) -> None:
        for row in rows.collect():
            cells[row["feed"], row["country"], row["city_id"], row["window_start"]] = row

    query_observed: list[dict[str, int]] = []
    for number, text in enumerate(batches):
        file = source / f"{number:03d}.txt"
        file.write_text(text)
        os.utime(file, (number + 1, number + 1))
    texts = spark.readStream.option("maxFilesPerTrigger", 1).text(str(source))
    records = texts.withColumn("timestamp", query.F.timestamp_millis(query.F.lit(APPENDED)))
    running = (
        query.count(query.observe(query.parse(records)), "10 minutes")
        .writeStream.outputMode("update")
        .option("checkpointLocation", str(directory / "checkpoint"))
        .trigger(availableNow=True)
        .foreachBatch(keep)
        .start()
    )
    assert running.awaitTermination(240), "the query did not end within 240 s"
    for progress in running.recentProgress:
        if progress.numInputRows:
            query_observed.append(json.loads(progress.json)["observedMetrics"][query.OBSERVED])
    return cells, query_observed


def compared(cells: Cells, made: list) -> Comparison:
    """Cells as the writer would have stored them, against the recount."""
    again = recount(one.message for one in made)
    found: dict[str, dict] = {table: {} for table in KEYS}
    cities: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for (feed, country, city, start), row in cells.items():
        values = row.asDict() | {"updated_at": 1}
        if not city:
            found["country_windows"][feed, country, start] = values
            continue
        known = again.cities.get((country, city))
        values |= {"name": known and known.name, "lat": known and known.lat, "lon": known and known.lon}
        found["city_windows"][feed, country, city, start] = values
        found["windows_by_country"][feed, country, start, city] = values
        cities.setdefault((country, city), []).append((row["first_at"], row["last_at"]))
    for key, seen in cities.items():
        known = again.cities.get(key)
        name = {"name": known and known.name, "lat": known and known.lat, "lon": known and known.lon}
        found["cities"][key] = name | {
            "first_seen": min(first for first, _ in seen),
            "last_seen": max(last for _, last in seen),
        }
    return compare(expected(again), found)


def test_every_cell_equals_the_recount_whatever_the_batches(spark: SparkSession, tmp_path: Path) -> None:
    made = many(900, seed=11)
    made.sort(key=lambda one: one.event.at // 120_000)  # in disorder, but within the watermark
    parts = [lines(made[start : start + 250]) for start in range(0, len(made), 250)]
    cells, observed = counted(spark, tmp_path, parts)
    result = compared(cells, made)
    assert result.differences == []
    assert result.cells > 1000
    assert sum(one["records"] for one in observed) == len(made)
    assert sum(one["unusable"] for one in observed) == 0


def test_records_that_are_no_events_count_nowhere_and_stop_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    good = tweet(1)
    bad = [
        "not JSON",
        '"a string"',
        "[1, 2]",
        "{}",
        '{"post": "a", "at": 1}',
        '{"post": 1, "at": 99999999999999999, "country": "CA", "feeds": ["all"]}',
        '{"post": 1, "at": -5, "country": "CA", "feeds": ["all"]}',
        '{"post": 1, "at": 1767311999000, "country": "CA"}',
        '{"post": 1e40, "at": 1767311999000, "country": "CA", "feeds": ["all"]}',
        '{"post": 1, "at": 1767311999000, "country": "CA", "feeds": ["all"]',
        '{"post": 1, "at": 1767311999000, "country": "CA", "feeds": ["all", null]}',
        '{"post": 1, "at": 1767311999000, "country": "CA", "feeds": [""]}',
        '{"post": 1, "at": 1767311999000, "country": "*", "feeds": ["all"]}',
        '{"post": 1, "at": 1767311999000, "country": "CA", "city": "", "feeds": ["all"]}',
        '{"post": 1, "at": 1767311999000, "country": "CA", "feeds": ["' + 70_000 * "x" + '"]}',
        "\x00\x01\udcff".encode("utf-8", "replace").decode(),
    ]
    cells, observed = counted(spark, tmp_path, ["\n".join(bad) + "\n" + lines([good])])
    assert compared(cells, [good]).differences == []
    assert observed[0]["records"] == len(bad) + 1
    assert observed[0]["unusable"] == len(bad)


def test_users_of_a_country_are_counted_once_though_they_tweet_from_two_cities(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = [
        tweet(number, at=START + 1000 + number, author=number // 3, place=CITIES[number % 5])
        for number in range(3000)
    ]
    cells, _ = counted(spark, tmp_path, [lines(made[:1500]), lines(made[1500:])])
    everything = cells["all", "*", "", START + 1000]
    assert everything["tweets"] == 3000
    assert everything["active_users"] == 1000
    assert sketch_estimate(bytes(everything["users_sketch"])) == 1000
    assert compared(cells, made).differences == []


def test_reception_times_of_a_batch_are_observed(spark: SparkSession, tmp_path: Path) -> None:
    made = [tweet(number, at=START + number) for number in range(1000)]
    _, observed = counted(spark, tmp_path, [lines(made)])
    received = observed[0]["received"]
    assert len(received) == query.PERCENTILES + 1
    assert received[0] == START + 700
    assert received[-1] == START + 700 + 999
    assert received == sorted(received)


@pytest.mark.parametrize("users", [1, 2, 61, 4096, 9750])
def test_sparks_sketches_say_without_spark_what_they_say_with_it(spark: SparkSession, users: int) -> None:
    sketches = spark.range(users).agg(query.F.theta_sketch_agg("id", query.LG_K).alias("sketch"))
    row = sketches.select("sketch", query.F.theta_sketch_estimate("sketch").alias("users")).first()
    estimate = sketch_estimate(bytes(row["sketch"]))
    assert estimate is not None
    assert round(estimate) == row["users"]
    if users <= 4096:
        assert estimate == users
