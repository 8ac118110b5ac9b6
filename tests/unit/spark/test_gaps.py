"""Seconds of a window that were not received."""

from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.gap import Gap
from citypulse.spark.counting.gaps import Missing, missing, seconds

from .tweets import START

WINDOW = START // 300_000 * 300_000
NOW = WINDOW + 3_600_000


def gap(start: int, end: int | None, feeds: str = "all", countries: str = "CA", **others: object) -> Gap:
    return Gap(
        id=f"main-{start}",
        producer="main",
        feeds=tuple(feeds.split()),
        countries=tuple(countries.split()),
        start=WINDOW + start,
        end=None if end is None else WINDOW + end,
        cause="network",
        **others,
    )


def of(*gaps: Gap, feed: str = "all", country: str = "CA", window: int = WINDOW, now: int = NOW) -> int:
    return seconds([one for each in gaps if (one := missing(each))], feed, country, window, now)


def test_a_window_without_a_gap_misses_nothing() -> None:
    assert of() == 0
    assert of(gap(-60_000, 0)) == 0
    assert of(gap(300_000, 400_000)) == 0


def test_only_what_lies_in_the_window_counts_and_a_second_that_began_is_one() -> None:
    assert of(gap(-60_000, 20_000)) == 20
    assert of(gap(290_000, 900_000)) == 10
    assert of(gap(-60_000, 900_000)) == 300
    assert of(gap(1000, 1001)) == 1


def test_gaps_that_overlap_are_one_and_others_add_up() -> None:
    assert of(gap(0, 60_000), gap(30_000, 90_000)) == 90
    assert of(gap(0, 60_000), gap(100_000, 160_000)) == 120
    assert of(gap(0, 200_000), gap(50_000, 60_000)) == 200


def test_a_gap_is_one_of_its_feeds_and_countries_alone() -> None:
    one = gap(0, 60_000, feeds="all vote", countries="CA GB")
    assert of(one, feed="vote", country="GB") == 60
    assert of(one, feed="other") == 0
    assert of(one, country="JP") == 0
    assert of(one, country="*") == 60


def test_feeds_that_name_no_country_may_miss_posts_of_any() -> None:
    assert of(gap(0, 60_000, countries=""), country="JP") == 60


def test_producers_of_different_feeds_are_apart() -> None:
    gaps = gap(0, 60_000, feeds="a"), gap(100_000, 200_000, feeds="b")
    assert (of(*gaps, feed="a"), of(*gaps, feed="b")) == (60, 100)


def test_a_gap_that_goes_on_has_lasted_until_now() -> None:
    assert of(gap(60_000, None), now=WINDOW + 90_000) == 30
    assert of(gap(60_000, None), now=WINDOW + 50_000) == 0
    assert of(gap(60_000, None)) == 240


def test_what_is_filled_is_not_missing() -> None:
    assert of(gap(0, 60_000, filled_by="search", filled_at=NOW)) == 0
    assert of(gap(0, 60_000, filled_until=WINDOW + 40_000)) == 20
    assert of(gap(0, 60_000, filled_until=WINDOW + 60_000)) == 0
    assert of(gap(0, None, filled_until=WINDOW + 290_000)) == 10


spans = st.tuples(st.integers(-400, 700), st.one_of(st.none(), st.integers(0, 500)))


@given(st.lists(spans, max_size=8), st.integers(-100, 800))
def test_it_is_as_many_seconds_as_a_count_of_each_second_finds(
    some: list[tuple[int, int | None]], now: int
) -> None:
    made = [
        Missing(
            WINDOW + since * 1000,
            None if length is None else WINDOW + (since + length) * 1000,
            frozenset({"all"}),
            frozenset({"CA"}),
        )
        for since, length in some
    ]

    def is_missing(second: int) -> bool:
        return any(since <= second < (now if length is None else since + length) for since, length in some)

    found = seconds(made, "all", "CA", WINDOW, WINDOW + now * 1000)
    assert found == sum(is_missing(second) for second in range(300))
