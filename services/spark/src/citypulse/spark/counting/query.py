"""The query: records of Kafka become cells, one for each feed, place and window, that hold absolute counts.

A record is parsed once, counted once (by post and feed, within the watermark), and then added to up to three
cells: its city's, its country's and that of all countries, so that distinct users of a country are counted as
such and never added up. A cell is `(feed, country, city_id, window_start)`, with an empty city_id for a
country's, and country `*` for all of them.

Of copies of a post that differ the one with the lowest offset counts. They are in one partition of Kafka,
one task reads it from end to end, the exchange before the deduplication keeps the order of what a task sends,
and the deduplication keeps what it sees first. So nothing may split a partition's records between tasks
before that exchange: no `minPartitions`, no `repartition`.
"""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark import topics
from citypulse.spark.config import Config

PLAN = "plan-3"
"""Version of the query's state: a change of the query that no longer fits a kept checkpoint needs a new
one."""

WINDOW = "5 minutes"
ALL_COUNTRIES = "*"
LG_K = 12
"""Sketches keep 2^12 users exactly."""
AHEAD_MS = 5 * 60 * 1000
"""How far an event may be ahead of the time at which the broker appended its record."""

OBSERVED = "events"
"""Name under which the query's progress shows what was parsed."""
PERCENTILES = 200

_EVENT = """
    post LONG, at LONG, author LONG, refs ARRAY<STRUCT<type: STRING>>, country STRING, city STRING,
    feeds ARRAY<STRING>, received LONG
"""
_LAST_MILLISECOND = 253402300799999
"""Of the year 9999, beyond which Spark has no timestamps."""
_LONGEST_NAME = 255
"""Characters of a feed, country or city: they are parts of keys in Cassandra, which ends at 64 KiB."""


def records(spark: SparkSession, config: Config) -> DataFrame:
    """The stream of Kafka's records, from the first that is kept."""
    return (
        spark.readStream.format("kafka")
        .options(**topics.reader_options(config.kafka))
        .option("subscribe", ",".join(config.prefixed_topics))
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", config.max_offsets_per_trigger)
        # What retention took before it was read is gone; the job says so itself and goes on with the rest.
        .option("failOnDataLoss", "false")
        .load()
        .select("value", "timestamp")
    )


def parse(values: DataFrame) -> DataFrame:
    """Events from records, whatever their records hold; the columns are those of the event that counting
    needs, and `fault`: why a record counts nowhere (`unusable`, `future`), null for one that may count.

    Args:
        values: a column `value` of bytes, and `timestamp`, when the broker appended the record; others are
            kept.
    """
    # Left alone, Spark would push filters below from_json and parse each record again for every one of them.
    event = F.explode(F.array(F.from_json(F.col("value").cast("string"), _EVENT)))
    others = [column for column in values.columns if column not in ("value", "timestamp")]
    parsed = values.select(*others, F.unix_millis("timestamp").alias("appended"), event.alias("event"))
    return judge(parsed.select(*others, "appended", "event.*"))


def judge(events: DataFrame) -> DataFrame:
    """The same events with `fault`.

    Args:
        events: the event's columns, and `appended`, in ms.
    """
    fault = F.when(~_usable(), "unusable").when(F.col("at") > F.col("appended") + AHEAD_MS, "future")
    return events.withColumn("fault", fault)


def observe(events: DataFrame) -> DataFrame:
    """The same events, with what the progress is to say of them: how many, how many at fault, when they were
    received."""
    share = [step / PERCENTILES for step in range(PERCENTILES + 1)]
    return events.observe(
        OBSERVED,
        F.count(F.lit(1)).alias("records"),
        F.count_if(F.col("fault") == "unusable").alias("unusable"),
        F.count_if(F.col("fault") == "future").alias("future"),
        F.count_if(_located()).alias("located"),
        F.percentile_approx(F.when(_located(), F.col("received")), share, 2000).alias("received"),
    )


def located(events: DataFrame) -> DataFrame:
    """Of parsed events those that count: once for each feed."""
    retweet = _references("retweeted")

    def of_tweets(condition: Column) -> Column:
        return _one(~retweet & condition)

    return events.where(_located()).select(
        "post",
        F.when(~retweet, F.col("author")).alias("author"),
        "country",
        "city",
        F.when(~retweet, F.col("at")).alias("tweeted_at"),
        F.timestamp_millis("at").alias("time"),
        _one(~retweet).alias("tweet"),
        _one(retweet).alias("retweet"),
        of_tweets(F.size(_refs()) == 0).alias("original"),
        of_tweets(_references("replied_to")).alias("reply"),
        of_tweets(_references("quoted")).alias("quote"),
        of_tweets(F.col("city").isNull()).alias("unresolved"),
        F.explode(F.array_distinct("feeds")).alias("feed"),
    )


def count(events: DataFrame, watermark: str) -> DataFrame:
    """Cells from a stream of events; `cells` says which columns.

    Args:
        events: as `parse` gives them.
        watermark: how far event times may lie apart, as `10 minutes`.
    """
    one_each = located(events).withWatermark("time", watermark)
    return cells(one_each.dropDuplicatesWithinWatermark(["post", "feed"]))


def cells(posts: DataFrame) -> DataFrame:
    """Cells from posts, each of which counts.

    Args:
        posts: as `located` gives them, without copies.

    Returns:
        `feed`, `country`, `city_id`, `window_start`, `tweets`, `originals`, `replies`, `quotes`, `retweets`,
        `unresolved`, `active_users`, `users_sketch`, and `first_at`, `last_at`, which are null in a cell of
        retweets alone; times in ms since the epoch.
    """
    placed = posts.withColumn("place", F.explode(_places())).select("*", "place.*")
    counted = placed.groupBy("feed", "in_country", "in_city", F.window("time", WINDOW)).agg(
        F.count("tweet").alias("tweets"),
        F.count("original").alias("originals"),
        F.count("reply").alias("replies"),
        F.count("quote").alias("quotes"),
        F.count("retweet").alias("retweets"),
        F.count("unresolved").alias("unresolved"),
        F.theta_sketch_agg("author", LG_K).alias("users_sketch"),
        F.min("tweeted_at").alias("first_at"),
        F.max("tweeted_at").alias("last_at"),
    )
    return counted.select(
        "feed",
        F.col("in_country").alias("country"),
        F.col("in_city").alias("city_id"),
        F.unix_millis("window.start").alias("window_start"),
        "tweets",
        "originals",
        "replies",
        "quotes",
        "retweets",
        "unresolved",
        F.theta_sketch_estimate("users_sketch").alias("active_users"),
        "users_sketch",
        "first_at",
        "last_at",
    )


def _one(condition: Column) -> Column:
    """1 or null, to be counted: a task writes the code of its aggregates anew, and a count has the least."""
    return F.when(condition, 1)


def _usable() -> Column:
    return F.coalesce(
        F.col("post").isNotNull()
        & F.col("at").between(0, _LAST_MILLISECOND)
        & F.forall("feeds", _is_name)
        & (F.col("country").isNull() | (_is_name(F.col("country")) & (F.col("country") != ALL_COUNTRIES)))
        & (F.col("city").isNull() | _is_name(F.col("city"))),
        F.lit(False),
    )


def _is_name(text: Column) -> Column:
    return F.coalesce(F.length(text).between(1, _LONGEST_NAME), F.lit(False))


def _located() -> Column:
    return F.col("fault").isNull() & F.col("country").isNotNull()


def _refs() -> Column:
    return F.coalesce("refs", F.array())


def _references(kind: str) -> Column:
    return F.coalesce(F.array_contains(F.col("refs.type"), kind), F.lit(False))


def _places() -> Column:
    wider: Sequence[Any] = (
        _place(F.col("country"), F.lit("")),
        _place(F.lit(ALL_COUNTRIES), F.lit("")),
    )
    city = _place(F.col("country"), F.col("city"))
    return F.when(F.col("city").isNull(), F.array(*wider)).otherwise(F.array(city, *wider))


def _place(country: Column, city: Column) -> Column:
    return F.struct(country.alias("in_country"), city.alias("in_city"))
