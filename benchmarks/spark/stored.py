"""How many bytes an event takes in Kafka, and a row in Cassandra."""

from __future__ import annotations

import time
from pathlib import Path

from tests.pipeline.counting import TOPICS, Counting

TABLES = (
    "city_windows",
    "windows_by_country",
    "country_windows",
    "city_hours",
    "country_hours",
    "city_ranks",
)
_FLUSH_SECONDS = 1.0


def kafka(counting: Counting) -> float:
    """Bytes of a replica of the topics for each of their records."""
    var = counting.system.home / "var"
    logs = [
        log
        for name in TOPICS
        for place in (var / "kafka1").rglob(f"{counting.run}.{name}-*")
        for log in place.glob("*.log")
    ]
    records = sum(sum(counting.ends(name).values()) for name in TOPICS)
    return sum(log.stat().st_size for log in logs) / max(records, 1)


def cassandra(counting: Counting) -> dict[str, tuple[int, float]]:
    """Rows of each table, and bytes of its files for each of them, compressed, with indexes."""
    found: dict[str, tuple[int, float]] = {}
    for table in TABLES:
        text = f"SELECT count(*) AS rows FROM {{keyspace}}.{table}"  # noqa: S608 - names of our own
        (count,) = counting.rows(text)
        # Memory goes to the disk at once.
        flush = f"memtable_flush_period_in_ms = {round(_FLUSH_SECONDS * 1000)}"
        counting.rows(f"ALTER TABLE {{keyspace}}.{table} WITH {flush}")
        found[table] = count.rows, 0.0
    time.sleep(5 * _FLUSH_SECONDS)
    data = counting.system.home / "var" / "cassandra1"
    for table, (rows, _) in found.items():
        places = data.rglob(f"{counting.config.keyspace}/{table}-*")
        found[table] = rows, sum(map(_size, places)) / max(rows, 1)
    return found


def _size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*.db"))
