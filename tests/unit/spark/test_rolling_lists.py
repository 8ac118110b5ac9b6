"""Lists as they are rewritten."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citypulse.spark.config import Config
from citypulse.spark.rolling.lists import Key, Lists
from citypulse.spark.rolling.ranks import Ranked
from citypulse.spark.rolling.spans import WINDOW_MS, Range

from . import cql

CONFIG = Config(checkpoint_dir="/c")
KEY = Key("all", "CA", "tweets", "hour")
SPAN = Range(0, 11 * WINDOW_MS)


def row(position: int, value: int = 5) -> Ranked:
    return Ranked(position, value, f"CA:{position}", "Name", 1.0, 2.0, value, value, 0, 0, 0, 1)


def stored(session: cql.Cassandra, key: Key = KEY) -> dict[int, int]:
    return {
        rank: one["value"]
        for (*list_, rank), one in session.rows["city_ranks"].items()
        if key == tuple(list_)
    }


def put(lists: Lists, key: Key, span: Range, rows: list[Ranked], now: int) -> int:
    changed = lists.put(key, span, rows, now)
    lists.flush()
    return changed


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> cql.Cassandra:
    return cql.connect(monkeypatch, CONFIG)


@pytest.fixture
def lists(session: cql.Cassandra) -> Lists:
    return Lists(session, CONFIG)  # type: ignore[arg-type]


class TestAListThatIsRewritten:
    def test_is_not_touched_where_nothing_differs(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1), row(2)], 7)
        session.written.clear()
        assert put(lists, KEY, SPAN, [row(1), row(2)], 8) == 0
        assert session.written == []

    def test_has_only_rows_written_that_differ(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1), row(2), row(3)], 7)
        assert put(lists, KEY, SPAN, [row(1), row(2, 4), row(3)], 8) == 1
        assert stored(session) == {1: 5, 2: 4, 3: 5}

    def test_tells_of_its_span_though_no_row_differs(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1)], 7)
        later = Range(SPAN.first + WINDOW_MS, SPAN.last + WINDOW_MS)
        assert put(lists, KEY, later, [row(1)], 8) == 0
        head = session.statics["city_ranks"][KEY]
        assert (head["span_start"], head["span_end"], head["updated_at"]) == (later.first, later.end, 8)

    def test_goes_in_one_request_with_its_tail(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(rank) for rank in range(1, 2001)], 7)
        asked = session.requests
        put(lists, KEY, SPAN, [row(rank, 6) for rank in range(1, 1001)], 8)
        assert session.requests == asked + 1
        assert stored(session) == dict.fromkeys(range(1, 1001), 6)

    def test_deletes_nothing_unless_it_got_shorter(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1)], 7)
        put(lists, KEY, SPAN, [row(1, 4), row(2)], 8)
        assert session.deleted == []
        put(lists, KEY, SPAN, [row(1, 4)], 9)
        assert session.deleted == ["city_ranks"]

    def test_is_gone_with_its_head_when_it_has_no_rows(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1)], 7)
        put(lists, KEY, SPAN, [], 8)
        assert session.rows["city_ranks"] == session.statics["city_ranks"] == {}
        assert lists.keys == set()
        put(lists, KEY, SPAN, [], 9)
        assert session.deleted == ["city_ranks"]

    def test_is_written_whole_after_a_failure(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1), row(2), row(3)], 7)
        session.down = True
        with pytest.raises(cql.OperationTimedOut):
            put(lists, KEY, SPAN, [row(1, 9)], 8)
        session.down = False
        assert put(lists, KEY, SPAN, [row(1), row(2)], 9) == 2
        assert stored(session) == {1: 5, 2: 5}

    def test_waits_for_the_others_and_only_its_last_state_is_sent(
        self, session: cql.Cassandra, lists: Lists
    ) -> None:
        put(lists, KEY, SPAN, [row(1), row(2)], 7)
        asked = session.requests
        lists.put(KEY, SPAN, [row(1, 9), row(2), row(3)], 8)
        lists.put(KEY, SPAN, [row(1)], 9)
        assert session.requests == asked
        lists.flush()
        assert stored(session) == {1: 5}
        assert put(lists, KEY, SPAN, [row(1)], 10) == 0

    def test_does_not_wait_for_more_rows_than_memory_should_hold(
        self, session: cql.Cassandra, lists: Lists
    ) -> None:
        for country in range(11):
            lists.put(KEY._replace(country=f"{country}"), SPAN, [row(rank) for rank in range(1, 2001)], 7)
        assert len(session.rows["city_ranks"]) == 20_000

    def test_is_written_whole_by_another_process(self, session: cql.Cassandra, lists: Lists) -> None:
        put(lists, KEY, SPAN, [row(1), row(2), row(3)], 7)
        other = Lists(session, CONFIG)  # type: ignore[arg-type]
        assert other.keys == {KEY}
        assert put(other, KEY, SPAN, [row(1)], 8) == 1
        assert stored(session) == {1: 5}


@settings(suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), max_size=6), st.booleans()), max_size=8))
def test_any_sequence_of_lists_leaves_the_last_one(states: list[tuple[list[int], bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        session = cql.connect(patch, CONFIG)
        lists = Lists(session, CONFIG)  # type: ignore[arg-type]
        for values, restart in states:
            if restart:
                lists = Lists(session, CONFIG)  # type: ignore[arg-type]
            put(lists, KEY, SPAN, [row(rank, value) for rank, value in enumerate(values, 1)], 7)
            assert stored(session) == dict(enumerate(values, 1))
