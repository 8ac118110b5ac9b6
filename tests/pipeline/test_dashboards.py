"""Every query of the dashboards against a real Cassandra, as Grafana's plugin would run it."""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from cassandra.cluster import Session

from citypulse.board import config, files, source
from citypulse.board.database import Database
from citypulse.board.files import Dashboard, Panel
from citypulse.board.frames import Frame
from citypulse.board.moments import Range
from citypulse.board.source import Asked, Sources
from citypulse.dashboards import build
from tests.pipeline.shown import FEEDS, HOURS, KEYSPACE
from tests.pipeline.test_rolling import NOW, Running
from tests.unit.spark.rolling_windows import HOUR, WINDOW

ASKED: dict[str, dict[str, list[str]]] = {
    "as it opens": {},
    "a country": {"country": ["CA"]},
    "cities with quotes": {"city": ["CA:0", "GB:1"]},
    "a feed with a quote": {"feed": [FEEDS[1]], "country": ["JP"]},
    "a country that is not there": {"country": ["XX"]},
}


@pytest.fixture(scope="module")
def session(running: Running) -> Iterator[Session]:
    """The board's own."""
    database = Database(config.Cassandra(port=running.config.cassandra.port))
    yield database.session()
    database.close()


def _dashboards() -> dict[str, Dashboard]:
    return {name: files.read(build.DIRECTORY / f"{name}.json") for name in ("city-trends", "now")}


def _sources(session: Session) -> Sources:
    return Sources(lambda: session, config.Prometheus())


def _ask(session: Session, dashboard: Dashboard, wanted: dict[str, list[str]], time: Range) -> Asked:
    return source.ask(_sources(session), dashboard, {"keyspace": [KEYSPACE], **wanted}, time)


def _data(session: Session, panel: Panel, asked: Asked, time: Range) -> list[Frame]:
    return source.data(_sources(session), panel, asked.values, time)


@pytest.mark.parametrize("wanted", list(ASKED.values()), ids=list(ASKED))
@pytest.mark.parametrize("name", list(_dashboards()))
def test_every_query_is_taken_and_gives_no_more_rows_than_it_says(
    session: Session, name: str, wanted: dict[str, list[str]]
) -> None:
    dashboard = _dashboards()[name]
    for time in HOURS.values():
        asked = _ask(session, dashboard, wanted, time)
        for panel in dashboard.panels:
            found = _data(session, panel, asked, time)
            assert found, panel.title
            limit = re.search(r"At most ([\d,]+) rows", panel.description)
            assert limit is not None
            assert sum(len(one.fields[0].values) for one in found) <= int(limit[1].replace(",", ""))


@pytest.mark.parametrize("grain", list(HOURS))
def test_a_line_is_a_city_and_its_points_are_its_counts(
    running: Running, session: Session, grain: str
) -> None:
    dashboard, time = _dashboards()["city-trends"], HOURS[grain]
    asked = _ask(session, dashboard, {"city": ["CA:0", "CA:1", "GB:1"]}, time)
    assert asked.values["grain"] == grain
    step = HOUR if grain == "hour" else WINDOW
    for panel, column in zip(dashboard.panels, ("tweets", "retweets", "active_users"), strict=False):
        points: dict[str, dict[int, int]] = {}
        users: dict[tuple[str, int], set[int]] = {}
        for (feed, country, city, start), cell in running.windows.cells.items():
            at = start // step * step
            if feed != "all" or city not in ("CA:0", "CA:1", "GB:1") or not time.since <= at <= time.until:
                continue
            name = running.windows.cities[country, city].name or ""
            line = points.setdefault(name, {})
            if column == "active_users":
                users.setdefault((name, at), set()).update(cell.users)
                line[at] = len(users[name, at])
            else:
                line[at] = line.get(at, 0) + getattr(cell, column)
        found = {
            one.name: dict(zip(one.fields[1].values, one.fields[2].values, strict=True))
            for one in _data(session, panel, asked, time)
        }
        assert found == points, (panel.title, column)
        assert len(found) == 3


def test_cities_are_the_ten_largest_of_the_last_hour_unless_chosen(
    running: Running, session: Session
) -> None:
    dashboard = _dashboards()["city-trends"]
    asked = _ask(session, dashboard, {}, HOURS["window"])
    largest = session.execute(
        f"SELECT city_id FROM {KEYSPACE}.city_ranks WHERE feed = 'all' AND country = '*'"
        " AND metric = 'tweets' AND span = 'hour' LIMIT 10"
    )
    assert sorted(asked.values["top"]) == sorted(row[0] for row in largest)
    shown = {one.name for one in _data(session, dashboard.panels[0], asked, HOURS["window"])}
    names = {running.windows.cities[one[:2], one].name for one in asked.values["top"]}
    assert shown <= names
    assert len(shown) > 7
    every = {one.value for one in asked.choices["city"]}
    assert every == {city for _, city in running.windows.cities}
    of_one = _ask(session, dashboard, {"country": ["CA"]}, HOURS["window"])
    assert {one.value for one in of_one.choices["city"]} == {one for one in every if one.startswith("CA")}


@pytest.mark.parametrize(("title", "order"), [("Most active", "ASC"), ("Least active", "DESC")])
@pytest.mark.parametrize("metric", ["tweets", "retweets", "active_users"])
def test_lists_are_in_the_order_of_their_ranks(
    running: Running, session: Session, title: str, order: str, metric: str
) -> None:
    dashboard = _dashboards()["now"]
    asked = _ask(session, dashboard, {"metric": [metric], "span": ["day"], "n": ["10"]}, HOURS["window"])
    (panel,) = (one for one in dashboard.panels if one.title == title)
    (frame,) = _data(session, panel, asked, HOURS["window"])
    wanted = session.execute(
        f"SELECT rank, name, {metric} FROM {KEYSPACE}.city_ranks WHERE feed = 'all'"
        f" AND country = '*' AND metric = '{metric}' AND span = 'day' ORDER BY rank {order} LIMIT 10"
    )
    columns = {field.name: field.values for field in frame.fields}
    found = list(zip(columns["rank"], columns["name"], columns[metric], strict=True))
    assert found == list(wanted)
    assert len(found) == 10


def test_totals_of_the_last_hour(running: Running, session: Session) -> None:
    dashboard = _dashboards()["now"]
    asked = _ask(session, dashboard, {"country": ["GB"]}, HOURS["window"])
    (frame,) = _data(session, dashboard.panels[0], asked, HOURS["window"])
    wanted = sum(
        cell.tweets
        for (feed, country, city, start), cell in running.windows.cells.items()
        if (feed, country, city) == ("all", "GB", "") and NOW - HOUR <= start <= NOW
    )
    assert sum(frame.fields[2].values) == wanted > 0
