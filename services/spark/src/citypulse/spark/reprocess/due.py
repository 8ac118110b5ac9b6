"""The list of windows that have to be recounted, and its emptying.

The job writes it: events that came too late for it, and whatever else it could not count. A row goes when its
window was recounted by a recount that had read the row before it began, with the timestamp that the row has;
so a note that is made meanwhile stays.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

from collections.abc import Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session
from pyspark.sql import SparkSession

from citypulse.spark import spans
from citypulse.spark.config import Config
from citypulse.spark.reprocess import run as runs
from citypulse.spark.reprocess import watch
from citypulse.spark.reprocess.apply import WINDOW_MS
from citypulse.spark.tables import execute_all

REASONS = ("late", "gap", "checkpoint", "retention")
"""Partitions of the list."""


class Due(NamedTuple):
    """One row of the list; `*` stands for every feed and every country."""

    reason: str
    window_start: int
    feed: str
    country: str
    written: int
    """Its timestamp, in microseconds."""


def read(session: Session, config: Config) -> list[Due]:
    """The list as it is now."""
    text = (
        "SELECT reason, window_start, feed, country, WRITETIME(noted_at) AS written"
        f" FROM {config.keyspace}.recounts_due WHERE reason = %s"
    )
    rows = [row for reason in REASONS for row in session.execute(text, (reason,))]
    return [Due(**spans.plain(row._asdict())) for row in rows]


def work(
    config: Config,
    spark: SparkSession,
    session: Session,
    progress: watch.Progress = watch.silent,
) -> runs.Outcome | None:
    """Recount every window of the list that can be, in one pass over the topics.

    To be called now and then, from a thread of the job too. Windows that the job still counts, and those of
    which the topics lack something, stay on the list.

    Returns:
        None where the list is empty.

    Raises:
        As `run.run` does; the list then stays as it is.
    """
    listed = read(session, config)
    if not listed:
        return None
    windows = frozenset(one.window_start for one in listed)
    reasons = ",".join(sorted({one.reason for one in listed}))
    span = min(windows), max(windows) + WINDOW_MS
    request = runs.Request(span, windows=windows, reason=reasons)
    outcome = runs.run(config, spark, session, request, progress)
    clear(session, config, listed, request, outcome)
    return outcome


def clear(
    session: Session, config: Config, listed: Sequence[Due], request: runs.Request, outcome: runs.Outcome
) -> int:
    """Take off the list what was recounted; returns how many rows.

    Args:
        listed: as it was read before the recount began.
        request: what was asked for.
        outcome: what became of it.
    """
    if request.dry_run or outcome.newer:
        return 0
    delete = session.prepare(
        f"DELETE FROM {config.keyspace}.recounts_due USING TIMESTAMP ?"
        " WHERE reason = ? AND window_start = ? AND feed = ? AND country = ?"
    )
    delete.is_idempotent = True
    todo: list[tuple[Any, Any]] = [
        (delete, (one.written, one.reason, one.window_start, one.feed, one.country))
        for one in listed
        if outcome.covers(one.window_start)
        and (request.windows is None or one.window_start in request.windows)
        and request.feed in (None, one.feed)
        and request.country in (None, one.country)
    ]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
    return len(todo)
