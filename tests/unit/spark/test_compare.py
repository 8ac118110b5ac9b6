"""Recount against rows: every kind of difference is found, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from citypulse.spark.verify import stored
from citypulse.spark.verify.compare import TOLERANCE, compare, expected
from citypulse.spark.verify.recount import recount

from .tweets import many, tweet

Tables = dict[str, stored.Rows]


def sketch(users: int) -> bytes:
    """A theta sketch of version 3 in its serialised form, with hashes of no meaning."""
    if users < 2:
        return bytes([1, 3, 3, 0, 0, 0 if users else 4, 0, 0]) + bytes(8 * users)
    hashes = min(users, 4096)
    theta = hashes * 2**63 // users
    preamble = bytes([3, 3, 3, 0, 0, 0, 0, 0]) + hashes.to_bytes(8, "little") + theta.to_bytes(8, "little")
    return (preamble if users > 4096 else bytes([2]) + preamble[1:16]) + bytes(8 * hashes)


def rows_of(wanted: Tables) -> Tables:
    """Rows as Cassandra would give them back."""
    copied = {table: {key: dict(row) for key, row in rows.items()} for table, rows in wanted.items()}
    for table, rows in copied.items():
        for row in rows.values():
            if table != "cities":
                row["updated_at"] = 1
            if "users_sketch" in stored.COLUMNS[table]:
                row["users_sketch"] = sketch(row["active_users"])
    return copied


@pytest.fixture
def wanted() -> Tables:
    return expected(recount(one.message for one in many(200, seed=3)))


def test_equal_tables_have_no_difference(wanted: Tables) -> None:
    result = compare(wanted, rows_of(wanted))
    assert (result.differing, result.differences) == (0, [])
    assert result.cells == sum(len(rows) * len(stored.COLUMNS[table]) for table, rows in wanted.items())


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, names in stored.COLUMNS.items() for column in names]
)
def test_any_column_of_any_table_that_is_changed_is_found(wanted: Tables, table: str, column: str) -> None:
    change: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: value + "!",
        "users_sketch": lambda value: sketch(5000),
        "updated_at": lambda value: None,
    }
    found = rows_of(wanted)
    key = sorted(found[table])[3]
    value = found[table][key][column]
    found[table][key][column] = change.get(column, lambda value: value + 1)(value)
    result = compare(wanted, found)
    assert [(one.table, one.key, one.column) for one in result.differences] == [(table, key, column)]
    assert result.differing == 1


@pytest.mark.parametrize("table", stored.COLUMNS)
def test_a_row_missing_or_too_many_is_found(wanted: Tables, table: str) -> None:
    columns = len(stored.COLUMNS[table])
    missing, extra = rows_of(wanted), rows_of(wanted)
    key = sorted(missing[table])[0]
    row = missing[table].pop(key)
    extra[table][(*key[:-1], "zz" if isinstance(key[-1], str) else key[-1] + 10**12)] = row
    for found, said in ((missing, "no row"), (extra, "a row")):
        result = compare(wanted, found)
        assert (result.differing, [one.found for one in result.differences]) == (columns, [said])


def test_more_users_than_a_sketch_keeps_are_judged_within_the_tolerance_and_said_so() -> None:
    wanted = expected(recount([tweet(author=1).message]))
    for rows in wanted.values():
        for row in rows.values():
            if "active_users" in row:
                row["active_users"] = row["users_sketch"] = 20_000
    found = rows_of(wanted)
    for table in ("city_windows", "country_windows", "windows_by_country"):
        for row in found[table].values():
            row["active_users"] = 20_000 * (1 - TOLERANCE / 2)
    result = compare(wanted, found)
    assert result.differing == 0
    assert result.within_tolerance == 7  # 4 counts and, but in windows_by_country, 3 sketches
    for row in found["city_windows"].values():
        row["active_users"] = 20_000 * (1 - 2 * TOLERANCE)
    assert compare(wanted, found).differing == 1


@pytest.mark.parametrize("users", [0, 1, 2, 3, 100, 4096, 5000, 50_000])
def test_a_sketchs_estimate_is_read_from_its_bytes(users: int) -> None:
    assert stored.sketch_estimate(sketch(users)) == pytest.approx(users, rel=1e-9)


@pytest.mark.parametrize("junk", [b"", b"1234567", bytes(8), bytes(64)])
def test_bytes_that_are_no_sketch_have_no_estimate(junk: bytes) -> None:
    assert stored.sketch_estimate(junk) is None
