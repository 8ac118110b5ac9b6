"""The live run on X: which token, which countries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from citypulse.control.demand import countries
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.runs import feed
from citypulse.control.steps import console

X_API = "https://api.x.com"


@dataclass(frozen=True)
class Live:
    """The token's file (the token itself is read by the producer alone), the countries, and where X is."""

    token_file: Path
    countries: tuple[str, ...]
    base_url: str


def from_environment(env: Mapping[str, str] = os.environ) -> Live | None:
    """Read X_BEARER_TOKEN_FILE, COUNTRIES and X_API_URL; None where no token is given."""
    token = env.get("X_BEARER_TOKEN_FILE", "").strip()
    wanted = countries(env.get("COUNTRIES", ""))
    if not token:
        if wanted:
            raise Fault(
                "COUNTRIES needs X_BEARER_TOKEN_FILE too: the file that holds your X API v2 bearer token.",
                Exit.BAD_INPUT,
            )
        return None
    path = Path(token).expanduser().absolute()
    if not _holds_a_token(path):
        raise Fault(
            f"X_BEARER_TOKEN_FILE={token} cannot be used: give a file that holds your X API v2 bearer token.",
            Exit.BAD_INPUT,
        )
    if not wanted:
        raise Fault(
            "X_BEARER_TOKEN_FILE needs COUNTRIES too, such as COUNTRIES='CA GB' or COUNTRIES=all.",
            Exit.BAD_INPUT,
        )
    return Live(path, wanted, env.get("X_API_URL", "").strip() or X_API)


def _holds_a_token(path: Path) -> bool:
    try:
        return bool(path.is_file() and path.read_text().strip())
    except (OSError, UnicodeDecodeError):
        return False


def start(inst: Installation, live: Live) -> None:
    """Start producer and job of the live run; X's refusal ends in one sentence and exit code 3."""
    play(
        inst,
        "run",
        {
            "citypulse_run": "",
            "producer_feeds": [feed(live.countries)],
            "producer_token_file": str(live.token_file),
            "producer_x_base_url": live.base_url,
        },
    )
    console.print(
        f"Live: {', '.join(live.countries)} from {live.base_url}. `make status` shows how it is,"
        " `make logs SERVICE=producer-live` what it does."
    )
