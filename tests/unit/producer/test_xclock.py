"""X's time is known within the bounds that its answers allow, whatever this host's clock says."""

import email.utils

from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.stream.xclock import XClock


@given(
    offset=st.floats(-1e6, 1e6),
    before=st.floats(0, 30),
    after=st.floats(0, 30),
    later=st.floats(0, 1e5),
    moved=st.floats(-1e6, 1e6),
)
def test_xs_time_lies_within_the_bounds_also_when_the_hosts_clock_is_set(
    offset: float, before: float, after: float, later: float, moved: float
) -> None:
    x_at, wall = 1_800_000_000.25, [1_800_000_000.25 + offset]
    monotonic = [100.0]
    clock = XClock(lambda: wall[0], lambda: monotonic[0])
    asked = monotonic[0]
    header = email.utils.formatdate(x_at, usegmt=True)
    monotonic[0] += before + after
    clock.learn(header, asked, monotonic[0])
    monotonic[0] += later
    wall[0] += moved
    x_now = (x_at + after + later) * 1000
    assert clock.earliest() <= x_now <= clock.latest() + 1
    assert clock.latest() - clock.earliest() <= 1000 + (before + after) * 1000 + 1


def test_before_any_answer_the_hosts_clock_has_to_do() -> None:
    clock = XClock(lambda: 50.0, lambda: 7.0)
    assert (clock.earliest(), clock.latest()) == (49_000, 51_000)
    assert clock.earliest(5.0) == 47_000


def test_an_answer_without_a_time_changes_nothing() -> None:
    clock = XClock(lambda: 50.0, lambda: 7.0)
    for date in (None, "", "yesterday"):
        clock.learn(date, 1.0, 2.0)
    assert clock.earliest() == 49_000
