"""What a real Cassandra keeps when an executor comes late with an older batch."""

from __future__ import annotations

import time

from citypulse.spark import tables
from citypulse.spark.config import Cassandra, Config
from citypulse.spark.counting.writer import write
from citypulse.spark.verify.stored import read
from tests.system import System


def _cell(tweets: int) -> dict[str, object]:
    counts = dict.fromkeys(("originals", "replies", "quotes", "retweets", "active_users", "unresolved"), 0)
    times = {"window_start": 1_790_000_100_000, "first_at": 1_790_000_100_000, "last_at": 1_790_000_100_001}
    return {"feed": "all", "country": "CA", "tweets": tweets, "users_sketch": b"", **counts, **times}


def test_an_older_batch_that_is_written_late_changes_nothing(system: System) -> None:
    config = Config(
        run="stale", checkpoint_dir="none", cassandra=Cassandra(port=system.installation.port(9042))
    )
    session = tables.wait(config.cassandra)
    tables.create(session, config)
    now = time.time_ns() // 1000
    for tweets, stamp in ((7, now + 1), (5, now)):
        cells = [{**_cell(tweets), "city_id": city} for city in ("", "CA:a", "CA:b")]
        list(write(cells, config.cassandra, config.keyspace, {}, stamp))
    for table in ("city_windows", "windows_by_country", "country_windows"):
        rows = read(session, config.keyspace, table)
        assert rows
        assert {row["tweets"] for row in rows.values()} == {7}, table
    session.execute(f"DROP KEYSPACE {config.keyspace}")
    session.cluster.shutdown()
