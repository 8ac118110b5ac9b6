"""What a recount is about to change, kept on the recount list until its hours are right as well.

A recount that dies between its windows and their hours would leave the hours as they were: repeated, it finds
the windows right and has nothing to do. Whoever works on the list afterwards sees by these rows that hours
are to be merged once more.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

from collections.abc import Mapping

from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.reprocess.changes import FeedCountry, Told
from citypulse.spark.tables import execute_all

REASON = "recount"


def note(session: Session, config: Config, told: Mapping[FeedCountry, Told], stamp: int) -> None:
    """Put every window that is to change on the list, with the recount's timestamp (microseconds)."""
    _each(
        session,
        config,
        f"INSERT INTO {config.keyspace}.recounts_due (reason, window_start, feed, country, noted_at)"
        f" VALUES ('{REASON}', ?, ?, ?, {stamp // 1000}) USING TIMESTAMP {stamp}",
        told,
    )


def clear(session: Session, config: Config, told: Mapping[FeedCountry, Told], stamp: int) -> None:
    """Take them off again; what a later recount has noted stays."""
    _each(
        session,
        config,
        f"DELETE FROM {config.keyspace}.recounts_due USING TIMESTAMP {stamp}"
        f" WHERE reason = '{REASON}' AND window_start = ? AND feed = ? AND country = ?",
        told,
    )


def _each(session: Session, config: Config, text: str, told: Mapping[FeedCountry, Told]) -> None:
    statement = session.prepare(text)
    statement.is_idempotent = True
    todo = [
        (statement, (window, feed, country))
        for (feed, country), one in told.items()
        for window in sorted(one.windows)
    ]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
