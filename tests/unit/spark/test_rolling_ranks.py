"""Lists of cities in order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from citypulse.spark.rolling import ranks
from citypulse.spark.rolling.cells import Cell
from citypulse.spark.rolling.ranks import CityKey, Named


def cell(tweets: int, retweets: int | None = 0) -> Cell:
    return Cell(tweets, tweets, 0, 0, retweets, 1, b"", 0)


keys = st.tuples(st.sampled_from(["CA", "GB"]), st.text("abc", min_size=1, max_size=4))
names = st.none() | st.sampled_from(["", "Val-d'Or", "St. John's", "東京", "Zürich", "a", "B"])
cities = st.dictionaries(keys, st.tuples(st.integers(-3, 3), names), max_size=40)


def ranked(made: dict[CityKey, tuple[int, str | None]]) -> list[ranks.Ranked]:
    values = {key: value for key, (value, _) in made.items()}
    named: dict[CityKey, Named] = {key: (name, None, None) for key, (_, name) in made.items()}
    return ranks.rank(values, {}, named)


class TestAList:
    @given(cities)
    def test_has_each_city_once_at_contiguous_positions(
        self, made: dict[CityKey, tuple[int, str | None]]
    ) -> None:
        rows = ranked(made)
        assert [row.position for row in rows] == list(range(1, len(made) + 1))
        assert sorted(row.city_id for row in rows) == sorted(city for _, city in made)

    @given(cities)
    def test_goes_from_the_greatest_to_the_least(self, made: dict[CityKey, tuple[int, str | None]]) -> None:
        values = [row.value for row in ranked(made)]
        assert values == sorted(values, reverse=True)

    @given(cities)
    def test_has_equal_values_by_name_then_by_id_and_nameless_cities_last(
        self, made: dict[CityKey, tuple[int, str | None]]
    ) -> None:
        rows = ranked(made)
        for one, next_one in pairwise(rows):
            if one.value == next_one.value:
                assert bool(one.name) >= bool(next_one.name)
                if bool(one.name) == bool(next_one.name):
                    assert ((one.name or ""), one.city_id) <= ((next_one.name or ""), next_one.city_id)

    @given(cities)
    def test_does_not_depend_on_the_order_of_what_it_is_made_of(
        self, made: dict[CityKey, tuple[int, str | None]]
    ) -> None:
        assert ranked(made) == ranked(dict(reversed(made.items())))

    @given(st.integers(1_990, 2_400))
    def test_keeps_a_thousand_from_each_end_of_a_longer_one(self, length: int) -> None:
        made: dict[CityKey, tuple[int, str | None]] = {
            ("CA", f"CA:{n:05}"): (length - n, None) for n in range(length)
        }
        rows = ranked(made)
        assert len(rows) == min(length, 2_000)
        assert [row.position for row in rows[:1_000]] == list(range(1, 1_001))
        assert [row.position for row in rows[-990:]] == list(range(length - 989, length + 1))

    def test_shows_the_counts_of_a_city_and_zeros_for_one_that_counted_nothing(self) -> None:
        values = {("CA", "CA:a"): 5, ("CA", "CA:b"): -2}
        rows = ranks.rank(values, {("CA", "CA:a"): cell(5, 3)}, {})
        assert rows[0] == (1, 5, "CA:a", None, None, None, 5, 5, 0, 0, 3, 1)
        assert rows[1] == (2, -2, "CA:b", None, None, None, 0, 0, 0, 0, 0, 0)


class TestValues:
    def test_of_retweets_are_there_only_where_somebody_counted_them(self) -> None:
        cells = {("CA", "CA:a"): cell(1, None), ("CA", "CA:b"): cell(1, 0)}
        assert ranks.by_metric("retweets", cells) == {("CA", "CA:b"): 0}

    @given(st.dictionaries(keys, st.integers(0, 9)), st.dictionaries(keys, st.integers(0, 9)))
    def test_of_change_are_there_for_cities_of_either_day(
        self, today: dict[CityKey, int], before: dict[CityKey, int]
    ) -> None:
        values = ranks.by_change({key: cell(tweets) for key, tweets in today.items()}, before)
        assert values.keys() == today.keys() | before.keys()
        assert sum(values.values()) == sum(today.values()) - sum(before.values())
