"""Cells in batch: the job's own definition, on posts of which the copies are left out at once."""

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark.counting import query
from citypulse.spark.spans import Span

_NEEDED = ("post", "at", "author", "refs", "country", "city", "fault")


def recount(
    records: DataFrame,
    span: Span,
    windows: Collection[int] | None = None,
    country: str | None = None,
    feed: str | None = None,
) -> DataFrame:
    """Cells, as `query.cells` gives them.

    Args:
        records: as `source` gives them.
        span: the windows that are wanted start in it, in ms.
        windows: only these of them, by their start in ms.
        country: only its cells, and those of all countries.
        feed: only its cells.
    """
    first_copies = lowest(query.parse(records), feed)
    inside = first_copies.where(F.col("at").between(span[0], span[1] - 1))
    cells = query.cells(query.located(inside))
    if windows is not None:
        cells = cells.where(F.col("window_start").isin(list(windows)))
    if country is not None:
        cells = cells.where(F.col("country").isin(country, query.ALL_COUNTRIES))
    return cells


def lowest(events: DataFrame, feed: str | None = None) -> DataFrame:
    """Of the copies of a post in a feed the one with the lowest offset; each has that single feed.

    By post and feed, not by the window: of copies that differ in their time one counts all the same.
    """
    each = events.where(F.col("fault").isNull() & F.col("country").isNotNull()).withColumn(
        "feed", F.explode(F.array_distinct("feeds"))
    )
    if feed is not None:
        each = each.where(F.col("feed") == feed)
    order = F.struct("source", "offset", "topic", "partition")
    values = F.struct(*[name for name in _NEEDED if name != "post"])
    first = each.groupBy("post", "feed").agg(F.min_by(values, order).alias("first"))
    return first.select("post", F.array("feed").alias("feeds"), "first.*")
