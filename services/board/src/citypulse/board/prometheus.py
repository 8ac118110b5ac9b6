"""Prometheus, asked as Grafana asks it."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from citypulse.board.config import Prometheus
from citypulse.board.frames import Field, Frame, RefusedError
from citypulse.board.moments import Range

KIND = "prometheus"
"""Of the data source in a dashboard."""

_POINTS = 500
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class UnreachableError(Exception):
    """Prometheus does not answer."""


def series(config: Prometheus, expression: str, legend: str, time: Range) -> list[Frame]:
    """The lines of an expression, each in a frame of its own.

    Args:
        config: where Prometheus is.
        expression: with its variables replaced, but for `$__rate_interval` and `$__interval`.
        legend: what a line is called; `{{label}}` stands for a label's value.
        time: the range that is looked at.

    Raises:
        UnreachableError: it does not answer.
        RefusedError: it does not take the expression.
    """
    step = interval(config, time)
    # Grafana's rule: at least four scrapes, so that a rate has two of them whatever is missed.
    window = max(step + config.scrape_seconds, 4 * config.scrape_seconds)
    query = expression.replace("$__rate_interval", f"{window}s").replace("$__interval", f"{step}s")
    # Whole steps, so that viewers ask for the same moments.
    since, until = (moment // 1000 // step * step for moment in time)
    asked = urllib.parse.urlencode({"query": query, "start": since, "end": until, "step": step})
    found = _get(config, f"/api/v1/query_range?{asked}")
    return [_frame(one, legend) for one in found["result"]]


def interval(config: Prometheus, time: Range) -> int:
    """Seconds between two points: as many as the page can show, and no more than were scraped."""
    return max(config.scrape_seconds, math.ceil((time.until - time.since) / 1000 / _POINTS))


def _frame(found: dict[str, Any], legend: str) -> Frame:
    labels = found["metric"]
    name = _LABEL.sub(lambda label: labels.get(label[1], ""), legend).strip() or json.dumps(labels)
    points = [(round(at * 1000), float(value)) for at, value in found["values"]]
    points = [(at, value) for at, value in points if math.isfinite(value)]
    return Frame(
        name,
        [
            Field("Time", "time", [at for at, _ in points]),
            Field("Value", "number", [value for _, value in points]),
        ],
    )


def _get(config: Prometheus, path: str) -> Any:
    address = config.url.rstrip("/") + path
    try:
        # The configuration takes nothing but http.
        with urllib.request.urlopen(address, timeout=config.request_seconds) as answer:  # noqa: S310
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RefusedError(
            f"Prometheus refuses the query: {error.read(300).decode(errors='replace')}"
        ) from None
    except OSError as error:
        raise UnreachableError(str(error)) from None
