"""Which rows are exported, and in which columns."""

from collections.abc import Callable, Iterator

import msgspec
from cassandra.cluster import Session

from citypulse.spark import spans
from citypulse.spark.spans import Row, Span

_COUNTS = ("tweets", "originals", "replies", "quotes", "retweets", "active_users")

TIMES = {"window": "window_start", "hour": "hour_start"}
"""The column that says when a row begins."""


class Selection(msgspec.Struct, frozen=True):
    """What is wanted."""

    time: Span
    span: str
    """window or hour: what a row counts."""
    countries: bool = False
    """Rows of whole countries, in place of cities."""
    feed: str | None = None
    country: str | None = None
    city: str | None = None
    """A city's id."""

    @property
    def table(self) -> str:
        """The table that holds it."""
        return f"{'country' if self.countries else 'city'}_{self.span}s"

    @property
    def columns(self) -> tuple[str, ...]:
        """Named as in the table; a country has no name, a city no gaps."""
        head = ("feed", "country")
        if self.countries:
            return (*head, TIMES[self.span], *_COUNTS, "unresolved", "gap_seconds", "updated_at")
        return (*head, "city_id", "name", "lat", "lon", TIMES[self.span], *_COUNTS, "updated_at")

    def wants(self, key: Row) -> bool:
        """Whether a partition is exported, by the columns of its key."""
        return (
            self.feed in (None, key["feed"])
            and self.country in (None, key["country"])
            and self.city in (None, key.get("city_id"))
        )


def rows(
    session: Session, keyspace: str, selection: Selection, progress: Callable[[int, int], None]
) -> Iterator[Row]:
    """The rows, sorted by feed, country and city, and in each from the oldest on; times in ms.

    Args:
        session: with Cassandra.
        keyspace: of the run.
        selection: what is wanted.
        progress: is told how many partitions are read, of how many.

    Raises:
        cassandra.DriverException: a partition cannot be read.
    """
    time = TIMES[selection.span]
    some: list[Row] = []
    where: object = None
    for row in spans.read(
        session,
        keyspace,
        selection.table,
        selection.columns,
        selection.time,
        selection.wants,
        progress,
    ):
        here = row["feed"], row["country"], row.get("city_id")
        if here != where:
            yield from sorted(some, key=lambda one: one[time])
            some, where = [], here
        some.append(row)
    yield from sorted(some, key=lambda one: one[time])
