"""Which windows a span is made of."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.spark.rolling import spans
from citypulse.spark.rolling.spans import DAY_MS, HOUR_MS, MINUTE_MS, WINDOW_MS, Range

MIDNIGHT = 1_790_000_100_000 // DAY_MS * DAY_MS
moments = st.integers(0, 4_000_000_000_000)


def utc(text: str) -> int:
    return round(datetime.datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


class TestASpan:
    def test_of_an_hour_ends_with_the_running_window(self) -> None:
        noon = utc("2026-11-24 12:02:30")
        assert spans.ending("hour", noon) == Range(utc("2026-11-24 11:05:00"), utc("2026-11-24 12:00:00"))

    def test_of_a_window_is_the_last_complete_one(self) -> None:
        first = utc("2026-11-24 11:55:00")
        assert spans.ending("window", utc("2026-11-24 12:00:00")) == Range(first, first)
        assert spans.ending("window", utc("2026-11-24 11:59:59.999")) == Range(
            first - WINDOW_MS, first - WINDOW_MS
        )

    @pytest.mark.parametrize("local_change", ["2026-03-29 01:10:00", "2026-10-25 01:10:00"])
    def test_is_as_long_on_a_day_when_clocks_are_set(self, local_change: str) -> None:
        moment = utc(local_change)
        day = spans.ending("day", moment)
        assert day.end - day.first == DAY_MS
        assert spans.day_before(day).end == day.end - DAY_MS

    @given(moments, st.sampled_from(list(spans.SPANS)))
    def test_has_its_number_of_windows(self, moment: int, span: str) -> None:
        for one in (spans.ending(span, moment), spans.complete(span, moment)):
            assert (one.end - one.first) // WINDOW_MS == spans.SPANS[span]
            assert one.first % WINDOW_MS == one.last % WINDOW_MS == 0
        assert spans.complete(span, moment).end <= moment < spans.complete(span, moment).end + WINDOW_MS


class TestACover:
    @given(st.integers(0, 10_000), st.integers(0, 600))
    def test_has_each_window_once_and_as_whole_hours_where_it_can(self, first: int, more: int) -> None:
        windows = Range(first * WINDOW_MS, (first + more) * WINDOW_MS)
        cover = spans.cover(windows)
        covered = [w for hour in cover.hours for w in spans.windows_of(hour)] + cover.windows
        assert sorted(covered) == list(range(windows.first, windows.end, WINDOW_MS))
        assert len(cover.windows) <= 22

    def test_of_a_whole_hour_has_no_windows_left(self) -> None:
        hour = Range(MIDNIGHT, MIDNIGHT + 55 * MINUTE_MS)
        assert spans.cover(hour) == ([MIDNIGHT], [])


class TestWhatIsNeeded:
    @given(moments.filter(lambda moment: moment > 3 * DAY_MS))
    def test_covers_every_span_and_reaches_two_days_back(self, moment: int) -> None:
        need = spans.need(moment)
        for span in spans.SPANS:
            whole = spans.complete(span, moment)
            for one in (spans.ending(span, moment), whole, spans.day_before(whole)):
                cover = spans.cover(one)
                assert set(cover.hours) <= need.hours
                assert set(cover.windows) <= need.windows
        assert min(need.windows | need.hours) == spans.window_of(moment) - 2 * DAY_MS
        assert len(need.hours) <= 48
        assert len(need.windows) <= 6 * 12 + 13

    def test_has_sketches_for_the_day_only(self) -> None:
        need = spans.need(MIDNIGHT + 3 * HOUR_MS + MINUTE_MS)
        assert need.users_from == MIDNIGHT - DAY_MS + 3 * HOUR_MS


class TestNow:
    def test_is_the_clocks_for_the_live_run(self) -> None:
        assert spans.now(MIDNIGHT - 30 * DAY_MS, MIDNIGHT, live=True) == MIDNIGHT

    def test_is_the_clocks_while_a_runs_tweets_are_of_the_last_day(self) -> None:
        assert spans.now(MIDNIGHT - DAY_MS - WINDOW_MS, MIDNIGHT, live=False) == MIDNIGHT

    def test_is_the_end_of_the_newest_window_of_older_tweets(self) -> None:
        newest = MIDNIGHT - DAY_MS - 2 * WINDOW_MS
        assert spans.now(newest, MIDNIGHT, live=False) == newest + WINDOW_MS - 1

    def test_is_the_clocks_before_anything_was_counted(self) -> None:
        assert spans.now(None, MIDNIGHT, live=False) == MIDNIGHT
