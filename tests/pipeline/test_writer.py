"""What executors tell a real Cassandra, and what it keeps of one that comes late with an older batch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cassandra.cluster import Session

from citypulse.spark import tables
from citypulse.spark.config import Cassandra, Config
from citypulse.spark.counting.writer import Name, write
from citypulse.spark.verify.stored import read
from tests.system import System

AT = 1_790_000_100_000
CITIES = ("CA:a", "CA:b")


def cells(tweets: int, last: int = AT + 1) -> list[dict[str, object]]:
    """A country's cell and two of its cities'."""
    counts = dict.fromkeys(("originals", "replies", "quotes", "retweets", "active_users", "unresolved"), 0)
    times = {"window_start": AT, "first_at": AT, "last_at": last}
    cell = {"feed": "all", "country": "CA", "tweets": tweets, "users_sketch": b"", **counts, **times}
    return [{**cell, "city_id": city} for city in ("", *CITIES)]


@contextmanager
def keyspace(system: System, run: str) -> Iterator[tuple[Session, Config]]:
    """A run's tables, for this test alone."""
    cassandra = Cassandra(port=system.installation.port(9042))
    config = Config(run=run, checkpoint_dir="none", cassandra=cassandra)
    session = tables.wait(config.cassandra)
    tables.create(session, config)
    yield session, config
    session.execute(f"DROP KEYSPACE {config.keyspace}")
    session.cluster.shutdown()


def test_an_older_batch_that_is_written_late_changes_nothing(system: System) -> None:
    now = time.time_ns() // 1000
    with keyspace(system, "stale") as (session, config):
        for tweets, stamp in ((7, now + 1), (5, now)):
            list(write(cells(tweets), config.cassandra, config.keyspace, {}, stamp))
        for table in ("city_windows", "windows_by_country", "country_windows"):
            rows = read(session, config.keyspace, table)
            assert rows
            assert {row["tweets"] for row in rows.values()} == {7}, table


def test_of_a_city_only_what_is_new_is_told(system: System) -> None:
    now = time.time_ns() // 1000
    with keyspace(system, "told") as (session, config):

        def rows(last: int, names: dict[str, Name], number: int) -> int:
            (written,) = write(cells(7, last), config.cassandra, config.keyspace, names, now + number)
            return written.rows - 5

        named = {city: (f"City {city}", 1.0, 2.0) for city in CITIES}
        assert rows(AT + 1, {}, 0) == 4, "first and last of both"
        assert rows(AT + 1, {}, 1) == 0
        assert rows(AT + 9, {}, 2) == 2
        assert rows(AT + 5, named, 3) == 2, "names"
        assert rows(AT + 9, named, 4) == 0
        told = read(session, config.keyspace, "cities")
        assert {(row["name"], row["first_seen"], row["last_seen"]) for row in told.values()} == {
            ("City CA:a", AT, AT + 9),
            ("City CA:b", AT, AT + 9),
        }


def test_more_than_one_request_can_take(system: System) -> None:
    """Sketches of 0 to 28 KB, as large as they get: 3.5 MB."""
    (like,) = (cell for cell in cells(0) if cell["city_id"] == CITIES[0])
    sizes = {f"CA:{number}": 28_170 * number // 250 for number in range(250)}
    made = [
        {**like, "city_id": city, "tweets": number, "users_sketch": bytes(size)}
        for number, (city, size) in enumerate(sizes.items())
    ]
    with keyspace(system, "large") as (session, config):
        (written,) = write(made, config.cassandra, config.keyspace, {}, time.time_ns() // 1000)
        assert written.rows == 4 * len(made)
        for table in ("city_windows", "windows_by_country"):
            rows = read(session, config.keyspace, table)
            assert {row["tweets"] for row in rows.values()} == set(range(250)), table
        session.set_keyspace(config.keyspace)
        found = session.execute("SELECT city_id, users_sketch FROM city_windows")
        assert {row.city_id: len(row.users_sketch) for row in found} == sizes
