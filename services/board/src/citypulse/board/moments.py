"""Time ranges as Grafana writes them, in steps of the cache, so that viewers ask for the same."""

import re
from typing import NamedTuple

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_LONGEST_MS = 400 * 86_400_000
"""So long are hours kept."""


class Range(NamedTuple):
    """A time range in ms since the epoch."""

    since: int
    until: int


class BadRangeError(ValueError):
    """A time range that cannot be; one sentence that says why."""


def between(since: str, until: str, now_ms: int, step_ms: int) -> Range:
    """A range.

    Args:
        since, until: `now-6h`, `now`, or ms since the epoch.
        now_ms: the present, in ms.
        step_ms: what both ends are rounded down to.

    Raises:
        BadRangeError: one of them is none of these, or they are the wrong way round, or too far apart.
    """
    first, last = _moment(since, now_ms), _moment(until, now_ms)
    if first >= last:
        raise BadRangeError(f"from {since} to {until} is no time range: it ends before it begins")
    if last - first > _LONGEST_MS:
        raise BadRangeError(f"from {since} to {until} is longer than the 400 days that hours are kept")
    return Range(first // step_ms * step_ms, last // step_ms * step_ms)


def milliseconds(span: str) -> int:
    """How long a span is, as `6h`.

    Raises:
        BadRangeError: it is written otherwise.
    """
    match = _SPAN.fullmatch(span)
    if match is None:
        raise BadRangeError(f"{span!r} is no span of time: write a number and one of s, m, h, d, w")
    return int(match[1]) * _UNITS[match[2]] * 1000


def _moment(text: str, now_ms: int) -> int:
    if text == "now":
        return now_ms
    if text.startswith("now-"):
        return now_ms - milliseconds(text.removeprefix("now-"))
    if re.fullmatch(r"\d{1,15}", text):
        return int(text)
    raise BadRangeError(f"{text!r} is no moment: write now, now-6h, or milliseconds since 1970")
