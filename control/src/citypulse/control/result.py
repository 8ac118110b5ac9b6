"""Shows what a demo has counted, how fresh it was, what it cost in memory, and where to look next."""

from __future__ import annotations

import os
import webbrowser
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cassandra.cluster import Cluster, Session
from cassandra.policies import WhiteListRoundRobinPolicy
from rich.markup import escape
from rich.table import Table

from citypulse.control import grafana
from citypulse.control.installation import Installation
from citypulse.control.metrics import quantile, scrape
from citypulse.control.status import memory_table
from citypulse.control.steps import console

TOP = 10
WINDOW = timedelta(minutes=5)

Window = tuple[str, str, datetime]
"""Feed, country, start."""


def show(inst: Installation, run: str) -> None:
    """Print the top cities of the run, its freshness, the memory of every process, and the next commands."""
    keyspace = f"citypulse_{run}"
    with _session(inst, keyspace) as session:
        windows = _windows(session)
        console.print(_top_cities(session, windows))
    console.print(_freshness(inst, run))
    memory, total = memory_table(inst)
    console.print(memory)
    console.print(
        f"All of it uses {total / 1e9:.1f} GB. Next: `make status`, `make logs SERVICE=producer-{run}`,"
        f" `make verify`,"
        f" Spark at http://{inst.address(8080)}; `make down` stops it, `make clean` deletes it."
    )
    if windows:
        _open(inst, keyspace, windows)


def view(inst: Installation, run: str) -> str:
    """Path and query of the page that shows all windows of a run, on the board and in Grafana.

    Raises:
        cassandra.DriverException: the run has no tables, or Cassandra does not answer.
        ValueError: nothing was counted.
    """
    keyspace = f"citypulse_{run}"
    with _session(inst, keyspace) as session:
        return _view(keyspace, *_span(_windows(session)))


def _open(inst: Installation, keyspace: str, windows: Sequence[Window]) -> None:
    """Print where the board shows these windows, and open it where there is a screen."""
    first, last = _span(windows)
    path = _view(keyspace, first, last)
    page = f"http://{inst.address(grafana.BOARD_PORT)}{path}"
    console.print(f"See it, {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC:")
    console.print(page, soft_wrap=True, markup=False, highlight=False)
    if grafana.runs(inst):
        in_grafana = f"http://{inst.address(grafana.PORT)}{path}"
        console.print(in_grafana, soft_wrap=True, markup=False, highlight=False)
    if console.is_terminal and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(page)


def _span(windows: Iterable[Window]) -> tuple[datetime, datetime]:
    starts = [start.replace(tzinfo=UTC) for _, _, start in windows]
    return min(starts), max(starts) + WINDOW


def _view(keyspace: str, first: datetime, last: datetime) -> str:
    span = f"from={_milliseconds(first)}&to={_milliseconds(last)}"
    return f"/d/citypulse-trends?var-keyspace={keyspace}&{span}"


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _windows(session: Session) -> list[Window]:
    """The feed, country and start of every country's windows."""
    rows = session.execute("SELECT DISTINCT feed, country, window_start FROM windows_by_country")
    return [(*row,) for row in rows if row.feed == "all" and row.country != "*"]


def _top_cities(session: Session, windows: Iterable[Window]) -> Table:
    """The cities with most tweets over all windows of the run.

    Active users are those of the city's busiest window: distinct users do not add up over windows.
    """
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    names: dict[str, str] = {}
    busiest: dict[str, tuple[int, int]] = {}
    one_window = session.prepare(
        "SELECT city_id, name, tweets, originals, replies, quotes, active_users FROM windows_by_country"
        " WHERE feed = ? AND country = ? AND window_start = ?"
    )
    for window in windows:
        for row in session.execute(one_window, window):
            values = [row.tweets, row.originals, row.replies, row.quotes]
            counts[row.city_id] = [a + b for a, b in zip(counts[row.city_id], values, strict=True)]
            names[row.city_id] = row.name or row.city_id
            busiest[row.city_id] = max(busiest.get(row.city_id, (0, 0)), (row.tweets, row.active_users))
    table = Table(title=f"Top {TOP} of {len(counts):,} cities", title_justify="left")
    table.add_column("city")
    table.add_column("country")
    for column in ("tweets", "originals", "replies", "quotes", "users, busiest 5 min"):
        table.add_column(column, justify="right")
    ranked = sorted(counts.items(), key=lambda item: (-item[1][0], names[item[0]]))
    for city, values in ranked[:TOP]:
        country = city.partition(":")[0]
        table.add_row(escape(names[city]), country, *(f"{v:,}" for v in values), f"{busiest[city][1]:,}")
    return table


def _freshness(inst: Installation, run: str) -> str:
    samples = scrape(inst.run_address(run, 9302))
    half = quantile(samples, "citypulse_spark_freshness_seconds", 0.5)
    most = quantile(samples, "citypulse_spark_freshness_seconds", 0.99)
    if half is None or most is None:
        return "Freshness: nothing was observed."
    return f"Freshness, received to row written: half within {half:g} s, 99 % within {most:g} s."


@contextmanager
def _session(inst: Installation, keyspace: str) -> Iterator[Session]:
    cluster = Cluster(
        ["127.0.0.1"],
        port=inst.port(9042),
        load_balancing_policy=WhiteListRoundRobinPolicy(["127.0.0.1"]),
        protocol_version=5,
    )
    try:
        yield cluster.connect(keyspace)
    finally:
        cluster.shutdown()
