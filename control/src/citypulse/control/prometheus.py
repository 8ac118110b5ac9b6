"""Asks Prometheus for what it keeps."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple

from citypulse.control.faults import Fault

_TIMEOUT_S = 30.0


class Series(NamedTuple):
    """A series: its labels, and its samples as (seconds since the epoch, value)."""

    labels: Mapping[str, str]
    samples: list[tuple[float, float]]


def samples(address: str, selector: str, begin: float, end: float) -> list[Series]:
    """Every sample of the series that `selector` names, as it was scraped, from `begin` to `end`.

    Raises `Fault` where Prometheus at `address` (host:port) does not answer.
    """
    asked = {"query": f"{selector}[{max(1, round((end - begin) * 1000))}ms]", "time": f"{end:.3f}"}
    return _ask(address, "query", asked)


def curve(address: str, expression: str, begin: float, end: float, step_s: float) -> list[Series]:
    """The values of an expression every `step_s` seconds; otherwise as `samples`."""
    asked = {"query": expression, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step_s:g}"}
    return _ask(address, "query_range", asked)


def _ask(address: str, endpoint: str, asked: Mapping[str, str]) -> list[Series]:
    body = urllib.parse.urlencode(asked).encode()
    try:
        with urllib.request.urlopen(f"http://{address}/api/v1/{endpoint}", body, _TIMEOUT_S) as response:
            answer: Any = json.load(response)
    except urllib.error.HTTPError as error:
        said = " ".join(error.read(500).decode("utf-8", "replace").split())
        raise Fault(f"Prometheus at {address} refused {asked['query']}: {said}.") from None
    except (OSError, ValueError) as error:
        raise Fault(f"Prometheus at {address} does not answer: {error}; make status shows it.") from None
    return [
        # A share of nothing is no number.
        Series(
            one["metric"],
            [(float(at), float(value)) for at, value in one["values"] if math.isfinite(float(value))],
        )
        for one in answer["data"]["result"]
    ]
