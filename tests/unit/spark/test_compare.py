"""Recount against rows: every kind of difference is found, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from citypulse.spark.verify import stored
from citypulse.spark.verify.compare import TOLERANCE, Between, Wanted, compare, expected
from citypulse.spark.verify.recount import recount
from citypulse.spark.verify.tally import City, Post, Recount

from .tweets import CITIES, many, tweet

Tables = dict[str, stored.Rows]


def sketch(users: int) -> bytes:
    """A theta sketch of version 3 in its serialised form, with hashes of no meaning."""
    if users < 2:
        return bytes([1, 3, 3, 0, 0, 0 if users else 4, 0, 0]) + bytes(8 * users)
    hashes = min(users, 4096)
    theta = hashes * 2**63 // users
    preamble = bytes([3, 3, 3, 0, 0, 0, 0, 0]) + hashes.to_bytes(8, "little") + theta.to_bytes(8, "little")
    return (preamble if users > 4096 else bytes([2]) + preamble[1:16]) + bytes(8 * hashes)


def rows_of(wanted: Wanted) -> Tables:
    """Rows as Cassandra would give them back."""
    copied = {table: {key: dict(row) for key, row in rows.items()} for table, rows in wanted.rows.items()}
    for table, rows in copied.items():
        for row in rows.values():
            if table != "cities":
                row["updated_at"] = 1
            if isinstance(row.get("active_users"), int) and "users_sketch" in stored.COLUMNS[table]:
                row["users_sketch"] = sketch(row["active_users"])
    return copied


@pytest.fixture
def wanted() -> Wanted:
    return expected(recount(one.message for one in many(200, seed=3)))


def test_equal_tables_have_no_difference(wanted: Wanted) -> None:
    result = compare(wanted, rows_of(wanted))
    assert (result.differing, result.differences) == (0, [])
    assert result.cells == sum(len(rows) * len(stored.COLUMNS[table]) for table, rows in wanted.rows.items())


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, names in stored.COLUMNS.items() for column in names]
)
def test_any_column_of_any_table_that_is_changed_is_found(wanted: Wanted, table: str, column: str) -> None:
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
def test_a_row_missing_or_too_many_is_found(wanted: Wanted, table: str) -> None:
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
    for rows in wanted.rows.values():
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


def test_an_open_cell_may_be_anything_between_what_is_settled_and_all_of_it() -> None:
    made = [tweet(1, author=1), tweet(2, author=2), tweet(3, author=3)]
    again = Recount()
    for number, one in enumerate(made):
        event = one.event
        assert event.country
        post = Post(event.post, event.at, event.author, frozenset(), event.country, event.city)
        again.add(post, "all", City("Montréal, Québec", 1.0, 2.0), is_open=number > 0)
    wanted = expected(again)
    key = next(iter(wanted.rows["country_windows"]))
    assert wanted.rows["country_windows"][key]["tweets"] == Between(1, 3)
    for tweets, differing in ((0, 1), (1, 0), (2, 0), (3, 0), (4, 1)):
        found = filled(wanted, users=2)
        found["country_windows"][key]["tweets"] = tweets
        result = compare(wanted, found)
        assert result.differing == differing, (tweets, result.differences)
        assert result.between > 0


def test_a_row_in_which_nothing_is_settled_may_be_missing_and_no_other() -> None:
    again = Recount()
    for number, place in enumerate(CITIES[2:4]):
        event = tweet(number, place=place).event
        assert event.country
        post = Post(event.post, event.at, event.author, frozenset(), event.country, event.city)
        again.add(post, "all", is_open=number > 0)
    wanted = expected(again)
    found = filled(wanted, users=1)
    for table in stored.COLUMNS:
        for key in [key for key in found[table] if "GB" in key]:
            del found[table][key]
    assert compare(wanted, found).differences == []
    del found["country_windows"]["all", "CA", wanted_window(wanted)]
    assert [one.found for one in compare(wanted, found).differences] == ["no row"]


def test_a_city_may_have_been_seen_before_and_after_what_is_left_of_history() -> None:
    again = recount([tweet().message])
    found = rows_of(expected(again))
    for row in found["cities"].values():
        row["first_seen"] -= 1
        row["last_seen"] += 1
    assert compare(expected(again, all_history=False), found).differing == 0
    assert compare(expected(again), found).differing == 2
    for row in found["cities"].values():
        row["first_seen"] += 2
    assert compare(expected(again, all_history=False), found).differing == 1


def filled(wanted: Wanted, users: int) -> Tables:
    """Rows that say the most that is possible, but for users."""
    found = rows_of(wanted)
    for rows in found.values():
        for row in rows.values():
            row.update({name: value[1] for name, value in row.items() if isinstance(value, Between)})
    for table in ("city_windows", "country_windows", "windows_by_country"):
        for row in found[table].values():
            row["active_users"] = users
            row["users_sketch"] = sketch(users)
    return found


def wanted_window(wanted: Wanted) -> int:
    return int(next(iter(wanted.rows["country_windows"]))[2])
