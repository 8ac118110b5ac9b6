"""What a comparison is told to a person as."""

import datetime
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from rich.console import Console
from rich.table import Table

from citypulse.spark.errors import StopError
from citypulse.spark.verify.compare import EXACT_USERS, TOLERANCE, Comparison

_FIRST_TIME = 10_000_000_000
"""April 1970, in ms."""
SHOWN = 40
"""Differences that are listed one by one."""


def console() -> Console:
    """Standard output; names of cities and files are shown as they stand, with their brackets."""
    return Console(highlight=False, soft_wrap=True, markup=False)


def show(out: Console, result: Comparison) -> None:
    """List the differences, and how much was compared."""
    if result.differences:
        shown = Table(
            "table", "row", "column", "recount", "table says", title="Differences", title_justify="left"
        )
        for one in result.differences[:SHOWN]:
            key = " ".join(map(_shown, one.key))
            shown.add_row(one.table, key, one.column, str(one.expected), str(one.found))
        out.print(shown)
        if len(result.differences) > SHOWN:
            out.print(f"and {len(result.differences) - SHOWN} more")
    rows = ", ".join(f"{table} {count}" for table, count in result.rows.items())
    out.print(f"rows: {rows}")
    out.print(f"{result.cells} cells compared, {result.differing} differing")
    if result.within_tolerance:
        out.print(
            f"{result.within_tolerance} of them count more than {EXACT_USERS} users"
            f" and were judged within {TOLERANCE:.0%}; all others exactly"
        )
    if result.between:
        out.print(
            f"{result.between} of them are open, and were judged by the least and the most that they may be"
        )


def write_metrics(file: Path, run: str, result: Comparison) -> None:
    """Write how it came out for Prometheus, through a node exporter's directory of text files.

    Raises:
        StopError: the file cannot be written.
    """
    registry = CollectorRegistry()
    for name, meaning, value in (
        (
            "differing_cells",
            "Cells of the tables that the last recount of the topic found otherwise",
            result.differing,
        ),
        ("compared_cells", "Cells that it compared", result.cells),
        ("timestamp_seconds", "When that was", datetime.datetime.now(datetime.UTC).timestamp()),
    ):
        Gauge(f"citypulse_verify_{name}", meaning, ["run"], registry=registry).labels(run).set(value)
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise StopError(f"--metrics {file} cannot be written ({error.strerror})") from error


def _shown(part: Any) -> str:
    """A part of a key: a number is a time, or the rank in a list."""
    return time(part) if isinstance(part, int) and part >= _FIRST_TIME else str(part)


def time(milliseconds: int) -> str:
    """A time as it is shown, UTC."""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
