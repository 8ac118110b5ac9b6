"""Where a demo's tweets come from: what replay and the producer's feed are told."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from citypulse.control.demand import ALL_COUNTRIES, DEFAULT_DURATION_S, DEFAULT_RATE, Demand
from citypulse.control.faults import Exit, Fault
from citypulse.control.steps import console
from citypulse.events.messages import BadFileError, Message, load

SEED = 1
"""The generator's seed: every demo shows the same cities and users, at its own time."""


SPEED = 50.0
"""How many times as fast as they came stored tweets are played; those moved to now keep their pace."""

LONG_S = 900.0
"""A demo that takes longer says so before it begins."""


@dataclass(frozen=True)
class Source:
    """What is fed: `title` for the person, `replay` its configuration, `countries` those of the rule."""

    title: str
    replay: dict[str, dict[str, Any]]
    countries: tuple[str, ...]


def source(demand: Demand) -> Source:
    """Read the file, where there is one, and settle what is asked.

    Bad lines are counted and the first is shown. Raises `Fault` with exit code 2 for a file without a tweet.
    """
    return _stored(demand) if demand.tweets else _generated(demand)


def _generated(demand: Demand) -> Source:
    rate = demand.rate or DEFAULT_RATE
    duration_s = demand.duration_s or DEFAULT_DURATION_S
    countries = () if demand.countries in ((), ALL_COUNTRIES) else demand.countries
    return Source(
        title=f"the generator: {rate:,.0f} tweets a second for {duration_s:,.0f} s, a fifth of them retweets,"
        f" which no rule for places matches; countries: {', '.join(demand.countries or ALL_COUNTRIES)}",
        replay={
            "source": {"generate": True},
            "generator": {"seed": SEED, "duration_seconds": duration_s, "countries": list(countries)},
            "play": {"rate": rate, "hold": True},
        },
        countries=demand.countries or ALL_COUNTRIES,
    )


def _stored(demand: Demand) -> Source:
    assert demand.tweets is not None  # noqa: S101 - the caller looked
    try:
        messages, report = load(demand.tweets)
    except BadFileError as error:
        raise Fault(f"TWEETS={demand.tweets} cannot be used: {error}.", Exit.BAD_INPUT) from None
    if report.bad_lines:
        console.print(
            f"      {report.bad_lines} of {report.lines} lines of {demand.tweets} are not X API v2 JSON"
            f" and are left out; the first is {report.first_bad}",
            markup=False,
        )
    if report.without_tweet:
        console.print(
            f"      {report.without_tweet} lines of {demand.tweets} hold no tweet and are left out",
            markup=False,
        )
    located = [message for message in messages if (message.data.get("geo") or {}).get("place_id")]
    if not located:
        raise Fault(
            f"TWEETS={demand.tweets} cannot be used: none of its {len(messages):,} tweets has a place, so"
            " none can be counted; give tweets with geo.place_id.",
            Exit.BAD_INPUT,
        )
    found = _countries_in(messages)
    countries = demand.countries or found or ALL_COUNTRIES
    _say_what_is_nowhere(located, countries)
    speed = 1.0 if demand.shift_now else SPEED
    seconds = len(messages) / demand.rate if demand.rate else _span_s(messages) / speed
    pace = f"{demand.rate:,.0f} a second" if demand.rate else f"{speed:g} times as fast as they came"
    if seconds > LONG_S:
        console.print(
            f"      they span so long a time that this takes {seconds / 3600:,.1f} hours; RATE=50 takes"
            f" {len(messages) / 50:,.0f} s",
            markup=False,
        )
    return Source(
        title=f"{len(messages):,} tweets of {demand.tweets} ({len(located):,} with a place), {pace}: about"
        f" {seconds:,.0f} s; countries: {', '.join(countries)}",
        replay={
            "source": {"tweets": str(demand.tweets), "shift": "now" if demand.shift_now else ""},
            "play": {"rate": demand.rate or 0.0, "speed": speed, "hold": True},
        },
        countries=countries,
    )


def _say_what_is_nowhere(located: list[Message], countries: tuple[str, ...]) -> None:
    """A place without a country takes the one that the rule names, if that is a single one."""
    if len(countries) == 1 and countries != ALL_COUNTRIES:
        return
    without = sum(not _countries_in([message]) for message in located)
    if without:
        console.print(
            f"      the places of {without:,} tweets name no country: they count under ZZ; with COUNTRIES=CA,"
            " or any single country, they count there",
            markup=False,
        )


def _span_s(messages: list[Message]) -> float:
    """Seconds from the first to the last of their creation times."""
    times = [
        datetime.datetime.fromisoformat(str(message.data["created_at"])).timestamp()
        for message in messages
        if message.data.get("created_at")
    ]
    return max(times) - min(times) if times else 0.0


def _countries_in(messages: list[Message]) -> tuple[str, ...]:
    """ISO codes of all places in the file, sorted; empty where no place says its country."""
    return tuple(
        sorted(
            {
                code.upper()
                for message in messages
                for place in message.includes.get("places") or ()
                if (code := place.get("country_code"))
            }
        )
    )
