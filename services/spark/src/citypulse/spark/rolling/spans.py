"""Which windows a span is made of, at a given moment; all times are ms since the epoch, UTC.

`window` is the last complete window, `hour` the 12 windows and `day` the 288 that end with the one that is
running. A change compares complete windows only, else the running one would look like a fall: as many of
them, up to the last complete one, against the same a day before.
"""

from typing import NamedTuple

MINUTE_MS = 60_000
WINDOW_MS = 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

SPANS = {"window": 1, "hour": 12, "day": 288}
"""How many windows each has."""


class Range(NamedTuple):
    """Windows from the one that starts at `first` to the one that starts at `last`, both included."""

    first: int
    last: int

    @property
    def end(self) -> int:
        """Where the last window ends."""
        return self.last + WINDOW_MS


class Cover(NamedTuple):
    """A range as whole hours and the windows that are left over at its edges."""

    hours: list[int]
    windows: list[int]


def window_of(at: int) -> int:
    """Start of the window that a moment is in."""
    return at // WINDOW_MS * WINDOW_MS


def hour_of(at: int) -> int:
    """Start of the hour that a moment is in."""
    return at // HOUR_MS * HOUR_MS


def windows_of(hour: int) -> range:
    """Starts of the windows in an hour."""
    return range(hour, hour + HOUR_MS, WINDOW_MS)


def now(newest: int | None, clock: int, live: bool) -> int:
    """The moment up to which spans reach.

    That is the clock's; but a named run may replay tweets of another time, and where its newest window ended
    more than a day ago, nothing would ever be within the last day. Its now is then the end of that window.

    Args:
        newest: start of the newest window that was counted, in any feed; None for none.
        clock: the wall clock.
        live: whether the run is the live one, whose tweets are of now.
    """
    if live or newest is None or clock - (newest + WINDOW_MS) <= DAY_MS:
        return clock
    return newest + WINDOW_MS - 1


def ending(span: str, moment: int) -> Range:
    """The windows of a span at a moment."""
    if span == "window":
        return complete(span, moment)
    last = window_of(moment)
    return Range(last - (SPANS[span] - 1) * WINDOW_MS, last)


def complete(span: str, moment: int) -> Range:
    """As many windows, without the one that is running."""
    last = window_of(moment) - WINDOW_MS
    return Range(last - (SPANS[span] - 1) * WINDOW_MS, last)


def day_before(windows: Range) -> Range:
    """The same windows a day before: 24 hours, whatever a local clock was set to meanwhile."""
    return Range(windows.first - DAY_MS, windows.last - DAY_MS)


def cover(windows: Range) -> Cover:
    """Whole hours within a range, and the windows outside of them."""
    first = -(-windows.first // HOUR_MS) * HOUR_MS
    hours = list(range(first, windows.end - HOUR_MS + 1, HOUR_MS))
    whole = range(hours[0], hours[-1] + HOUR_MS) if hours else range(0)
    return Cover(hours, [w for w in range(windows.first, windows.end, WINDOW_MS) if w not in whole])


class Need(NamedTuple):
    """All that the spans of a moment are made of."""

    hours: frozenset[int]
    windows: frozenset[int]
    users_from: int
    """Before this moment only tweets are compared, and nobody's sketch is needed."""

    @property
    def windows_from(self) -> int:
        """The oldest moment of all."""
        return min(min(self.windows), min(self.hours))


def need(moment: int) -> Need:
    """Hours and windows that the spans of a moment are made of."""
    hours: set[int] = set()
    windows: set[int] = set()
    for span in SPANS:
        whole = complete(span, moment)
        for one in (ending(span, moment), whole, day_before(whole)):
            parts = cover(one)
            hours.update(parts.hours)
            windows.update(parts.windows)
    # What arrives now still changes these, one by one.
    windows.update(range(hour_of(window_of(moment) - HOUR_MS), moment + 1, WINDOW_MS))
    return Need(frozenset(hours), frozenset(windows), hour_of(complete("day", moment).first))
