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


def test_only_a_connection_that_outlasted_a_stall_begins_anew() -> None:
    backoff = Backoff(X(stall_seconds=30))
    backoff.after_network_error()
    backoff.lasted(29)
    assert backoff.after_network_error() == 0.5
    backoff.lasted(31)
    assert backoff.after_network_error() == 0.25


def test_the_steps_are_configuration() -> None:
    backoff = Backoff(
        X(network_step_seconds=0.01, network_max_seconds=0.02, http_first_seconds=1, http_max_seconds=3)
    )
    assert [backoff.after_network_error() for _ in range(3)] == [0.01, 0.02, 0.02]
    assert [backoff.after_http_error() for _ in range(3)] == [1, 2, 3]
