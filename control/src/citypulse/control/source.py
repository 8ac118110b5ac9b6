"""Where a demo's tweets come from: what replay and the producer's feed are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from citypulse.control.demand import ALL_COUNTRIES, DEFAULT_DURATION_S, DEFAULT_RATE, Demand
from citypulse.control.faults import Exit, Fault
from citypulse.control.steps import console
from citypulse.events.messages import BadFileError, Message, load

SEED = 1
"""The generator's seed: every demo shows the same cities and users, at its own time."""


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
        title=f"the generator: {rate:,.0f} tweets a second for {duration_s:,.0f} s",
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
    found = _countries_in(messages)
    countries = demand.countries or found or ALL_COUNTRIES
    pace = f"{demand.rate:,.0f} a second" if demand.rate else "at their own pace, at most 50 times as fast"
    return Source(
        title=f"{len(messages):,} tweets of {demand.tweets}, {pace}; countries: {', '.join(countries)}",
        replay={
            "source": {"tweets": str(demand.tweets), "shift": "now" if demand.shift_now else ""},
            "play": {"rate": demand.rate or 0.0, "speed": 1.0 if demand.shift_now else 50.0, "hold": True},
        },
        countries=countries,
    )


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
