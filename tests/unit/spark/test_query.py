"""The query on Spark itself, in this process, against the recount in plain Python."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from citypulse.events.event import encode
from citypulse.spark.counting import query
from citypulse.spark.verify import records
from citypulse.spark.verify.compare import Comparison, compare, expected
from citypulse.spark.verify.stored import KEYS, sketch_estimate
from citypulse.spark.verify.tally import Recount

from .streams import APPENDED, Cells, counted
from .tweets import CITIES, START, lines, many, tweet


def compared(cells: Cells, made: list) -> Comparison:
    """Cells as the writer would have stored them, against a recount of the records."""
    again = Recount()
    for one in made:
        read = records.read(encode(one.event), APPENDED)
        for feed in read.feeds:
            again.add(read.post, feed)
    found: dict[str, dict] = {table: {} for table in KEYS}
    cities: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for (feed, country, city, start), row in cells.items():
        values = row.asDict() | {"updated_at": 1}
        if not city:
            found["country_windows"][feed, country, start] = values
            continue
        values |= {"name": None, "lat": None, "lon": None}
        found["city_windows"][feed, country, city, start] = values
        found["windows_by_country"][feed, country, start, city] = values
        if row["first_at"] is not None:
            cities.setdefault((country, city), []).append((row["first_at"], row["last_at"]))
    for key, seen in cities.items():
        found["cities"][key] = {
            "name": None,
            "lat": None,
            "lon": None,
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
