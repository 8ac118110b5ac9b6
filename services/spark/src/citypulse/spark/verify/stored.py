"""The tables read back, whole or for a span, as the recount can be compared with."""

from typing import Any

from cassandra.cluster import Session

from citypulse.spark import spans

KEYS = {
    "city_windows": ("feed", "country", "city_id", "window_start"),
    "country_windows": ("feed", "country", "window_start"),
    "windows_by_country": ("feed", "country", "window_start", "city_id"),
    "cities": ("country", "city_id"),
}
_COUNTS = ("tweets", "originals", "replies", "quotes", "retweets", "active_users")
_NAME = ("name", "lat", "lon")
COLUMNS = {
    "city_windows": (*_COUNTS, *_NAME, "users_sketch", "updated_at"),
    "country_windows": (*_COUNTS, "unresolved", "users_sketch", "updated_at"),
    "windows_by_country": (*_COUNTS, *_NAME, "updated_at"),
    "cities": (*_NAME, "first_seen", "last_seen"),
}
"""Columns that are compared with a recount; `gap_seconds` says nothing of tweets."""

EVER = 0, 1 << 62
"""A span that every window starts in."""

Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]
"""By primary key; timestamps are ms since the epoch, UTC."""


def read(session: Session, keyspace: str, table: str) -> Rows:
    """All rows of a table."""
    columns = ", ".join((*KEYS[table], *COLUMNS[table]))
    result: Rows = {}
    for row in session.execute(f"SELECT {columns} FROM {keyspace}.{table}"):  # noqa: S608 - names of our own
        values = spans.plain(row._asdict())
        if _counts(values):
            result[tuple(values[name] for name in KEYS[table])] = values
    return result


def read_span(session: Session, keyspace: str, table: str, span: tuple[int, int]) -> Rows:
    """The rows of a table of windows that start in a span: ms, from the first, before the second."""
    columns = (*KEYS[table], *COLUMNS[table])
    rows = spans.read(session, keyspace, table, columns, span)
    return {tuple(values[name] for name in KEYS[table]): values for values in rows if _counts(values)}


def read_versions(session: Session, keyspace: str, span: tuple[int, int] | None) -> Rows:
    """Of `country_windows`, only when each row was written (`updated_at`), for windows that start in a span;
    None for all."""
    key = KEYS["country_windows"]
    rows = spans.read(session, keyspace, "country_windows", (*key, "tweets", "updated_at"), span or EVER)
    return {tuple(row[name] for name in key): row for row in rows if _counts(row)}


def _counts(row: dict[str, Any]) -> bool:
    """Whether it is more than a window's `gap_seconds`."""
    return "tweets" not in row or row["tweets"] is not None


def sketch_estimate(sketch: bytes) -> float | None:
    """Distinct users that a serialised theta sketch stands for, read from its bytes; None for bytes that are
    none.

    The layouts are those of Apache DataSketches: a preamble of one to three longs with version, family (3 is
    a compact theta sketch) and flags, then the hashes. Version 3 keeps number of hashes and theta in the
    preamble, and is what none or one hash come as; version 4 keeps theta, then the number in so many bytes as
    it says, then packed hashes.
    """
    if len(sketch) < 8 or sketch[2] != 3 or sketch[1] not in (3, 4):
        return None
    longs, empty = sketch[0] & 0x3F, sketch[5] & 0x04
    if sketch[1] == 3 and longs == 1:
        return 0.0 if empty else 1.0
    if sketch[1] == 3:
        hashes = int.from_bytes(sketch[8:12], "little")
        theta = sketch[16:24] if longs >= 3 else b""
    else:
        hashes = int.from_bytes(sketch[8 * longs : 8 * longs + sketch[4]], "little")
        theta = sketch[8:16] if longs >= 2 else b""
    return hashes / (int.from_bytes(theta, "little") / 2**63) if theta else float(hashes)
