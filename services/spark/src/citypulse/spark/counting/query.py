"""The query: records of Kafka become cells, one for each feed, place and window, that hold absolute counts.

A record is parsed once, counted once (by post and feed, within the watermark), and then added to up to three
cells: its city's, its country's and that of all countries, so that distinct users of a country are counted as
such and never added up. A cell is `(feed, country, city_id, window_start)`, with an empty city_id for a
country's, and country `*` for all of them.
"""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark.config import Config

PLAN = "plan-1"
"""Version of the query's state: a change of the query that no longer fits a kept checkpoint needs a new
one."""

WINDOW = "5 minutes"
ALL_COUNTRIES = "*"
LG_K = 12
"""Sketches keep 2^12 users exactly."""

OBSERVED = "events"
"""Name under which the query's progress shows what was parsed."""
PERCENTILES = 200

_EVENT = """
    post LONG, at LONG, author LONG, refs ARRAY<STRUCT<type: STRING>>, country STRING, city STRING,
    feeds ARRAY<STRING>, received LONG
"""
_LAST_MILLISECOND = 253402300799999
"""Of the year 9999, beyond which Spark has no timestamps."""


def records(spark: SparkSession, config: Config) -> DataFrame:
    """The stream of Kafka's records, from the first that is kept."""
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", ",".join(config.kafka.bootstrap_servers))
        .option("subscribe", ",".join(config.prefixed_topics))
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", config.max_offsets_per_trigger)
        # What retention took before it was read is gone; the job says so itself and goes on with the rest.
        .option("failOnDataLoss", "false")
        .load()
        .select("value")
    )


def parse(values: DataFrame) -> DataFrame:
    """Events from records, whatever their records hold; the columns are those of the event that counting
    needs.

    Args:
        values: a column `value` of bytes.
    """
    # Left alone, Spark would push filters below from_json and parse each record again for every one of them.
    event = F.explode(F.array(F.from_json(F.col("value").cast("string"), _EVENT)))
    return values.select(event.alias("event")).select("event.*")


def observe(events: DataFrame) -> DataFrame:
    """The same events, with what the progress is to say of them: how many, how many unusable, when they were
    received."""
    share = [step / PERCENTILES for step in range(PERCENTILES + 1)]
    return events.observe(
        OBSERVED,
        F.count(F.lit(1)).alias("records"),
        F.count_if(~_usable()).alias("unusable"),
        F.count_if(_usable() & _located()).alias("located"),
        F.percentile_approx(F.when(_usable() & _located(), F.col("received")), share, 2000).alias("received"),
    )


def count(events: DataFrame, watermark: str) -> DataFrame:
    """Cells from events.

    Args:
        events: as `parse` gives them.
        watermark: how far event times may lie apart, as `10 minutes`.

    Returns:
        `feed`, `country`, `city_id`, `window_start`, `tweets`, `originals`, `replies`, `quotes`,
        `unresolved`, `active_users`, `users_sketch`, and `first_at`, `last_at`; times in ms since the epoch.
    """
    located = events.where(_usable() & _located() & ~_references("retweeted")).select(
        "post",
        "author",
        "country",
        "city",
        "at",
        F.timestamp_millis("at").alias("time"),
        (F.size(_refs()) == 0).cast("int").alias("original"),
        _references("replied_to").cast("int").alias("reply"),
        _references("quoted").cast("int").alias("quote"),
        F.explode(F.array_distinct("feeds")).alias("feed"),
    )
    once = located.withWatermark("time", watermark).dropDuplicatesWithinWatermark(["post", "feed"])
    placed = once.withColumn("place", F.explode(_places())).select("*", "place.*")
    cells = placed.groupBy("feed", "in_country", "in_city", F.window("time", WINDOW)).agg(
        F.count(F.lit(1)).alias("tweets"),
        F.sum("original").alias("originals"),
        F.sum("reply").alias("replies"),
        F.sum("quote").alias("quotes"),
        F.count_if(F.col("city").isNull()).alias("unresolved"),
        F.theta_sketch_agg("author", LG_K).alias("users_sketch"),
        F.min("at").alias("first_at"),
        F.max("at").alias("last_at"),
    )
    return cells.select(
        "feed",
        F.col("in_country").alias("country"),
        F.col("in_city").alias("city_id"),
        F.unix_millis("window.start").alias("window_start"),
        "tweets",
        "originals",
        "replies",
        "quotes",
        "unresolved",
        F.theta_sketch_estimate("users_sketch").alias("active_users"),
        "users_sketch",
        "first_at",
        "last_at",
    )


def _usable() -> Column:
    return (
        F.col("post").isNotNull()
        & F.col("feeds").isNotNull()
        & F.coalesce(F.col("at").between(0, _LAST_MILLISECOND), F.lit(False))
    )


def _located() -> Column:
    return F.col("country").isNotNull()


def _refs() -> Column:
    return F.coalesce("refs", F.array())


def _references(kind: str) -> Column:
    return F.coalesce(F.exists("refs", lambda ref: ref["type"] == kind), F.lit(False))


def _places() -> Column:
    wider: Sequence[Any] = (
        _place(F.col("country"), F.lit("")),
        _place(F.lit(ALL_COUNTRIES), F.lit("")),
    )
    city = _place(F.col("country"), F.col("city"))
    return F.when(F.col("city").isNull(), F.array(*wider)).otherwise(F.array(city, *wider))


def _place(country: Column, city: Column) -> Column:
    return F.struct(country.alias("in_country"), city.alias("in_city"))
