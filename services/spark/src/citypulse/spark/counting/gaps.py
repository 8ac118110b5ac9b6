"""How many seconds of a window were not received and not filled, from the gaps that producers published."""

from collections.abc import Iterable
from typing import NamedTuple

from citypulse.events.gap import Gap

WINDOW_MS = 5 * 60 * 1000
ALL_COUNTRIES = "*"


class Missing(NamedTuple):
    """What a gap leaves missing; plain, so that it travels to executors."""

    since: int
    """Ms since the epoch."""
    until: int | None
    """None while it goes on."""
    feeds: frozenset[str]
    countries: frozenset[str]
    """Empty: posts of any country."""


def missing(one: Gap) -> Missing | None:
    """What a gap leaves missing; None once it is filled."""
    since = max(one.start, one.filled_until)
    if not one.open or (one.end is not None and one.end <= since):
        return None
    return Missing(since, one.end, frozenset(one.feeds), frozenset(one.countries))


def seconds(some: Iterable[Missing], feed: str, country: str, window_start: int, now: int) -> int:
    """How much of a window is missing, in seconds, begun ones included: of all gaps of the feed and country
    together, so that two producers of one feed that fail at once are one gap.

    Args:
        some: what is missing.
        country: `*` for all countries: of it the gap of any country is a gap.
        window_start: ms since the epoch.
        now: until when a gap that goes on has lasted, in ms since the epoch.
    """
    end = window_start + WINDOW_MS
    parts = sorted(
        (max(one.since, window_start), min(now if one.until is None else one.until, end))
        for one in some
        if concerns(one, feed, country)
    )
    total, reached = 0, window_start
    for first, last in parts:
        total += max(last - max(first, reached), 0)
        reached = max(reached, last)
    return -(-total // 1000)


def concerns(one: Missing, feed: str, country: str) -> bool:
    """Whether a gap is one of a feed and country."""
    return feed in one.feeds and (country == ALL_COUNTRIES or not one.countries or country in one.countries)
