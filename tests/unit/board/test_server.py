"""What a browser may ask for, and what it gets."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable

from citypulse.board import files
from citypulse.board.config import Cassandra, Config
from citypulse.board.server import Board
from citypulse.dashboards import build

NOW = datetime.datetime(2026, 1, 31, 12, 0)
TRENDS = "/api/dashboards/citypulse-trends"


class Kind:
    def __init__(self, name: str) -> None:
        self.name = name

    def cql_parameterized_type(self) -> str:
        return self.name


class Rows(list[tuple[Any, ...]]):
    def __init__(self, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
        super().__init__(rows)
        self.column_names = list(columns)
        self.column_types = [Kind(one) for one in columns.values()]


class Tables:
    """Stands for Cassandra."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.failure: Exception | None = None

    def session(self) -> Tables:
        return self

    def execute(self, query: str) -> Rows:
        self.queries.append(query)
        if self.failure is not None:
            raise self.failure
        text = {"a": "text", "b": "text"}
        if "system_schema" in query:
            return Rows(text, [("citypulse_demo",), ("citypulse",), ("system_auth",)])
        if "DISTINCT feed" in query:
            return Rows(text, [("all", "all", "*"), ("vote", "vote", "*")])
        if "DISTINCT country" in query:
            return Rows(text, [("CA",), ("GB",)])
        if ".cities" in query:
            return Rows(text, [("CA:1", "Val-d'Or"), ("GB:2", "London")])
        if ".city_ranks" in query:
            return Rows(text, [("CA:1", "Val-d'Or")])
        if ".grains" in query:
            return Rows(text, [("window",)])
        columns = {"name": "text", "window_start": "timestamp", "tweets": "bigint"}
        return Rows(columns, [("Val-d'Or", NOW, 5), ("London", NOW, 3), ("Val-d'Or", NOW, 4)])

    def windows(self) -> list[str]:
        return [one for one in self.queries if ".city_windows" in one]


Browser = TestClient[Any, Any]


def with_board(use: Callable[[Browser, Tables], Awaitable[None]], **config: Any) -> None:
    """Serve the dashboards of the project, and use them."""

    async def run() -> None:
        tables = Tables()
        dashboards = [files.read(file) for file in sorted(build.DIRECTORY.glob("*.json"))]
        board = Board(Config(**config), dashboards, tables)  # type: ignore[arg-type]
        async with TestClient(TestServer(board.application())) as client:
            await use(client, tables)

    asyncio.run(run())


def test_a_panel_gives_the_frames_of_its_query() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        answer = await browser.get(f"{TRENDS}/panels/1?from=now-1h&to=now")
        assert answer.status == 200
        found = {one["name"]: one["fields"][2]["values"] for one in (await answer.json())["frames"]}
        assert found == {"Val-d'Or": [5, 4], "London": [3]}
        (query,) = tables.windows()
        assert "city_id IN ('CA:1')" in query
        assert "country IN ('CA','GB')" in query

    with_board(use)


def test_only_values_that_a_variable_may_have_come_into_a_query() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        chosen = {
            "var-country": "CA' OR",
            "var-city": "GB:2",
            "var-feed": "x'; DROP",
            "var-keyspace": "system",
        }
        answer = await browser.get(f"{TRENDS}/panels/1", params=chosen)
        assert answer.status == 200
        (query,) = tables.windows()
        assert "FROM citypulse.city_windows WHERE feed = 'all'" in query
        assert "city_id IN ('GB:2')" in query
        assert "DROP" not in "".join(tables.queries)

    with_board(use)


def test_the_configured_keyspace_is_shown_at_first() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        answer = await browser.get(f"{TRENDS}/variables")
        assert (await answer.json())["values"]["keyspace"] == "citypulse_demo"

    with_board(use, cassandra=Cassandra(keyspace="citypulse_demo"))


def test_many_viewers_cost_one_viewers_queries() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        addresses = [f"{TRENDS}/panels/{number}?from=now-1h&to=now" for number in (1, 2, 3)]
        for address in addresses:
            await browser.get(address)
        once = len(tables.queries)
        answers = await asyncio.gather(*(browser.get(address) for address in addresses for _ in range(50)))
        assert {answer.status for answer in answers} == {200}
        # A new minute may have begun.
        assert len(tables.queries) <= 2 * once

    with_board(use)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (NoHostAvailable("none", {}), "Cassandra does not answer, or refuses the query"),
        (OperationTimedOut(), "Cassandra is slow: no answer in time"),
    ],
)
def test_a_cassandra_that_fails_is_said_in_the_panel_and_comes_back(
    failure: Exception, sentence: str
) -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        tables.failure = failure
        answer = await browser.get(f"{TRENDS}/panels/1")
        assert (answer.status, await answer.json()) == (503, {"error": sentence})
        assert (await browser.get("/d/citypulse-trends")).status == 200
        tables.failure = None
        assert (await browser.get(f"{TRENDS}/panels/1")).status == 200

    with_board(use)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=yesterday&to=now", "'yesterday' is no moment"),
        ("from=now&to=now-1h", "it ends before it begins"),
        ("from=0&to=now", "longer than the 400 days"),
    ],
)
def test_a_time_range_that_cannot_be_is_said_to_be_so(query: str, sentence: str) -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        answer = await browser.get(f"{TRENDS}/panels/1?{query}")
        assert answer.status == 400
        assert sentence in (await answer.json())["error"]

    with_board(use)


def test_a_panel_as_csv() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        answer = await browser.get(f"{TRENDS}/panels/1.csv")
        assert (await answer.text()).splitlines()[:2] == [
            "name,window_start,tweets",
            "Val-d'Or,2026-01-31T12:00:00Z,5",
        ]
        assert answer.headers["Content-Disposition"] == 'attachment; filename="tweets-per-city.csv"'

    with_board(use)


def test_what_is_not_there_is_not_found() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        for path in ("/d/none", f"{TRENDS}/panels/99", "/api/dashboards/none", "/static/../server.py"):
            assert (await browser.get(path)).status == 404, path

    with_board(use)


def test_pages_load_nothing_from_elsewhere() -> None:
    async def use(browser: Browser, tables: Tables) -> None:
        for path in ("/", f"{TRENDS}", "/static/board.js", "/d/none"):
            policy = (await browser.get(path)).headers["Content-Security-Policy"]
            assert "default-src 'none'; script-src 'self'" in policy, path

    with_board(use)
