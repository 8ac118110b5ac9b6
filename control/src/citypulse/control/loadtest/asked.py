"""What `make loadtest` is asked, checked before anything is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from citypulse.control.demand import DEFAULT_DURATION_S, DEFAULT_RATE, duration_s, rate
from citypulse.control.faults import Exit, Fault

SHORTEST_S = 20.0
"""What is shorter has too few samples of what each process used."""


@dataclass(frozen=True)
class Asked:
    """Posts a second, for so many seconds; or only to judge the last load test again."""

    rate: float
    seconds: float
    last: bool


def from_environment(env: Mapping[str, str] = os.environ) -> Asked:
    """Read RATE, DURATION and LAST.

    Raises `Fault` with exit code 2 and a sentence that names the key, its value and the remedy.
    """
    for key in ("TWEETS", "COUNTRIES", "SHIFT", "KEEP"):
        if value := env.get(key, "").strip():
            raise _bad(key, value, "a load test sends generated tweets, in a fresh run; leave it out")
    last = env.get("LAST", "").strip()
    if last not in ("", "0", "1"):
        raise _bad("LAST", last, "use 1 to judge the last load test again, or leave it out")
    asked_rate = env.get("RATE", "").strip()
    asked_duration = env.get("DURATION", "").strip()
    if last == "1" and (asked_rate or asked_duration):
        raise _bad("LAST", last, "the last load test has its RATE and DURATION; leave them out, or LAST")
    seconds = duration_s(asked_duration) or DEFAULT_DURATION_S
    if seconds < SHORTEST_S:
        raise _bad("DURATION", asked_duration, f"it is too short to measure; give {SHORTEST_S:.0f}s or more")
    return Asked(rate(asked_rate) or DEFAULT_RATE, seconds, last == "1")


def _bad(key: str, value: str, remedy: str) -> Fault:
    return Fault(f"{key}={value} cannot be used: {remedy}.", Exit.BAD_INPUT)
