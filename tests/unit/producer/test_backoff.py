"""Waiting between connections is what X asks for."""

import pytest

from citypulse.producer.config import X
from citypulse.producer.stream.backoff import Backoff


def test_network_errors_wait_a_quarter_second_longer_each_time_up_to_sixteen() -> None:
    backoff = Backoff(X())
    waits = [backoff.after_network_error() for _ in range(70)]
    assert waits[:4] == [0.25, 0.5, 0.75, 1.0]
    assert waits[63:] == [16.0] * 7


def test_http_errors_wait_twice_as_long_each_time_up_to_320_seconds() -> None:
    backoff = Backoff(X())
    assert [backoff.after_http_error() for _ in range(8)] == [5, 10, 20, 40, 80, 160, 320, 320]


def test_a_rate_limit_waits_a_minute_and_then_twice_as_long() -> None:
    backoff = Backoff(X())
    assert [backoff.after_rate_limit({}, 0) for _ in range(4)] == [60, 120, 240, 320]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-rate-limit-reset": "1090"}, 90),
        ({"x-rate-limit-reset": "1090", "x-rate-limit-remaining": "0"}, 90),
        ({"x-rate-limit-reset": "1090", "x-rate-limit-remaining": "49"}, 60),
        ({"x-rate-limit-reset": "990"}, 1),
        ({"x-rate-limit-reset": "soon"}, 60),
        ({"x-rate-limit-reset": "99999999"}, 3600),
    ],
)
def test_a_rate_limit_ends_when_x_says_so(headers: dict[str, str], expected: float) -> None:
    assert Backoff(X()).after_rate_limit(headers, 1000.0) == expected


def test_too_many_connections_have_patience_of_their_own() -> None:
    backoff = Backoff(X())
    backoff.after_rate_limit({}, 0)
    assert [backoff.after("too_many_connections", {}, 0) for _ in range(5)] == [30, 60, 120, 240, 320]
    assert backoff.after_rate_limit({}, 0) == 120


def test_a_usage_cap_is_asked_for_ever_more_rarely_up_to_once_an_hour() -> None:
    backoff = Backoff(X())
    assert [backoff.after("usage_capped", {}, 0) for _ in range(6)] == [300, 600, 1200, 2400, 3600, 3600]


@pytest.mark.parametrize(
    ("cause", "first", "second"),
    [
        ("network", 0.25, 0.5),
        ("stalled", 0.25, 0.5),
        ("closed", 0.25, 0.5),
        ("operational_disconnect", 0.25, 0.5),
        ("slow_reader", 0.25, 0.5),
        ("journal_full", 0.25, 0.5),
        ("http_409", 5, 10),
        ("http_503", 5, 10),
        ("http_429", 60, 120),
    ],
)
def test_every_cause_has_its_wait(cause: str, first: float, second: float) -> None:
    backoff = Backoff(X())
    assert [backoff.after(cause, {}, 0) for _ in range(2)] == [first, second]


def test_only_a_connection_that_outlasted_a_stall_begins_anew() -> None:
    backoff = Backoff(X(stall_seconds=30))
    backoff.after_network_error()
    backoff.after_too_many_connections()
    backoff.lasted(29)
    assert backoff.after_network_error() == 0.5
    backoff.lasted(31)
    assert backoff.after_network_error() == 0.25
    assert backoff.after_too_many_connections() == 30


def test_the_steps_are_configuration() -> None:
    backoff = Backoff(
        X(
            network_step_seconds=0.01,
            network_max_seconds=0.02,
            http_first_seconds=1,
            http_max_seconds=3,
            too_many_connections_first_seconds=2,
            usage_cap_first_seconds=4,
            usage_cap_max_seconds=5,
        )
    )
    assert [backoff.after_network_error() for _ in range(3)] == [0.01, 0.02, 0.02]
    assert [backoff.after_http_error() for _ in range(3)] == [1, 2, 3]
    assert [backoff.after_too_many_connections() for _ in range(2)] == [2, 3]
    assert [backoff.after_usage_cap() for _ in range(2)] == [4, 5]
