"""Rows as the plugin gives them."""

from __future__ import annotations

import datetime

import pytest

from citypulse.board.frames import RefusedError, check, frames

AT = datetime.datetime(2026, 1, 31, 12, 5)


def test_rows_of_a_first_column_are_a_frame_in_their_order() -> None:
    rows = [("b", AT, 2), ("a", AT, 5), ("b", AT + datetime.timedelta(minutes=5), None)]
    found = frames(["name", "window_start", "tweets"], ["text", "timestamp", "bigint"], rows)
    assert set(found) == {"a", "b"}
    assert [(field.type, field.values) for field in found["b"].fields] == [
        ("string", ["b", "b"]),
        ("time", [1769861100000, 1769861400000]),
        ("number", [2, 0]),
    ]


def test_a_name_that_is_null_is_empty() -> None:
    assert set(frames(["name", "n"], ["text", "int"], [(None, 1)])) == {""}


@pytest.mark.parametrize(("first", "other"), [("blob", "int"), ("text", "decimal"), ("text", "list<text>")])
def test_types_that_the_plugin_cannot_give_are_refused_even_without_rows(first: str, other: str) -> None:
    with pytest.raises(RefusedError, match="the plugin cannot give a"):
        frames(["a", "b"], [first, other], [])


@pytest.mark.parametrize("query", ["DELETE FROM t", "SELECT\n1", " SELECT 1", "SELECT $x FROM t"])
def test_queries_that_it_would_not_take_are_refused(query: str) -> None:
    with pytest.raises(RefusedError):
        check(query)
