"""The drain is no faster than it may be, and never stands still."""

from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.send.pace import Pace


def test_without_a_limit_everything_may_leave() -> None:
    assert Pace(0).allowed(1.0, 500) == 500


@given(st.floats(0.1, 5000), st.lists(st.floats(0.001, 2), min_size=1, max_size=200))
def test_over_any_time_no_more_leaves_than_the_rate_and_a_seconds_worth(
    rate: float, waits: list[float]
) -> None:
    pace, now, left = Pace(rate), 100.0, 0
    for wait in [0.0, *waits]:
        now += wait
        may = pace.allowed(now, 500)
        pace.took(may)
        left += may
    assert left <= (now - 100.0) * rate + max(rate, 1) + 1e-6


def test_a_slow_drain_reaches_its_rate() -> None:
    pace, left = Pace(0.5), 0
    for tenth in range(1000):
        may = pace.allowed(tenth / 10, 500)
        pace.took(may)
        left += may
    assert left == 49
