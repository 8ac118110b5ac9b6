"""Spans as a person writes them."""

import pytest

from citypulse.spark.errors import BadInputError
from citypulse.spark.times import moment, span_of

NOON = 1_769_860_800_000
"""2026-01-31 12:00 UTC."""


def test_a_duration_ends_now_and_is_widened_to_whole_windows() -> None:
    assert span_of("1h", None, None, required=True, now=NOON + 1) == (NOON - 3_600_000, NOON + 300_000)
    assert span_of("90m", None, None, required=True, now=NOON) == (NOON - 5_400_000, NOON)
    assert span_of("2d", None, None, required=True, now=NOON) == (NOON - 2 * 86_400_000, NOON)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00Z", "2026-01-31T12:00:00", "2026-01-31 13:00+01:00", "2026-01-31T12:00:00.000Z"]
)
def test_a_time_may_be_written_in_any_form_of_iso_8601_and_is_utc_without_an_offset(text: str) -> None:
    assert moment(text, "--from") == NOON


def test_both_ends_may_be_left_out() -> None:
    assert span_of(None, "2026-01-31T12:00Z", None, required=True, now=NOON + 300_000) == (
        NOON,
        NOON + 300_000,
    )
    assert span_of(None, None, "2026-01-31T12:01Z", required=True) == (0, NOON + 300_000)
    assert span_of(None, None, None, required=False) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, None, None), "a span is missing"),
        (("1h", "2026-01-31", None), "--last does not go with --from"),
        (("1 hour", None, None), "--last 1 hour is no duration"),
        (("0h", None, None), "--last 0h is no duration"),
        ((None, "yesterday", None), "--from yesterday is no time"),
        ((None, None, "1969-01-01"), "--to 1969-01-01 is before 1970"),
        ((None, "2026-01-31", "2026-01-31"), "the span is empty"),
    ],
)
def test_what_cannot_be_is_named(given: tuple[str | None, str | None, str | None], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        span_of(*given, required=True, now=NOON)
