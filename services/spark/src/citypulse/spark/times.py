"""Times and spans as a person writes them."""

import datetime
import re
import time

from citypulse.spark.errors import BadInputError
from citypulse.spark.spans import Span

_WINDOW_MS = 5 * 60 * 1000
_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_LAST_MS = 253402300799999


def span_of(
    last: str | None, since: str | None, until: str | None, *, required: bool, now: int | None = None
) -> Span | None:
    """The span that `--last`, or `--from` and `--to`, mean; None where none of them is given.

    It is widened to whole windows: from the start of the first one's to the end of the last one's.

    Args:
        last: a duration up to now.
        since: the time that it begins at; else the beginning of time.
        until: the time that it ends at; else now.
        required: whether one of them has to be given.
        now: ms since the epoch; None for the clock's.

    Raises:
        BadInputError: one of them cannot be read, they do not go together, or the span is empty.
    """
    now = time.time_ns() // 1_000_000 if now is None else now
    if last is not None:
        if since is not None or until is not None:
            raise BadInputError("--last does not go with --from and --to: give one or the other")
        first, end = now - _duration(last), now
    elif since is not None or until is not None:
        first = 0 if since is None else moment(since, "--from")
        end = now if until is None else moment(until, "--to")
    elif required:
        raise BadInputError("a span is missing: give --last, as --last 1h, or --from and --to")
    else:
        return None
    if first >= end:
        raise BadInputError(f"--from {since} is not before --to {until or 'now'}: the span is empty")
    return first // _WINDOW_MS * _WINDOW_MS, -(-end // _WINDOW_MS) * _WINDOW_MS


def moment(text: str, option: str) -> int:
    """A time in ms since the epoch; without an offset it is UTC.

    Raises:
        BadInputError: it is no time; names the option.
    """
    try:
        read = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"{option} {text} is no time: write it as 2026-01-31T12:00Z") from None
    if read.tzinfo is None:
        read = read.replace(tzinfo=datetime.UTC)
    milliseconds = round(read.timestamp() * 1000)
    if not 0 <= milliseconds <= _LAST_MS:
        raise BadInputError(f"{option} {text} is before 1970: write it as 2026-01-31T12:00Z")
    return milliseconds


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found:
        raise BadInputError(f"--last {text} is no duration: write it as 90m, 6h or 2d")
    return int(found[1]) * _UNITS_MS[found[2]]
