"""The pages, and the data of their panels.

A browser names a dashboard, a panel and values of variables; the query is the dashboard's, and a value is one
that its variable may have. So nothing is ever run that does not stand in a dashboard.
"""

import asyncio
import csv
import datetime
import io
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any, TypeVar

import msgspec
import structlog
from aiohttp import web
from cassandra import DriverException, OperationTimedOut
from cassandra.cluster import NoHostAvailable
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from citypulse.board import moments, source
from citypulse.board.cache import Cache
from citypulse.board.config import Config
from citypulse.board.database import Database
from citypulse.board.files import Dashboard, Panel
from citypulse.board.frames import Frame, RefusedError
from citypulse.board.metrics import Metrics
from citypulse.board.moments import BadRangeError, Range
from citypulse.board.prometheus import UnreachableError
from citypulse.board.source import Asked, Sources
from citypulse.board.text import Value

_log = structlog.get_logger()

_STATIC = resources.files("citypulse.board") / "static"
_HEADERS = {
    # Charts set styles of elements; scripts and everything else come from here alone.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ANSWERS = 5000
_STEP_MS = 10_000
"""Least step of time ranges."""

Result = TypeVar("Result")


class Board:
    """What is served."""

    def __init__(self, config: Config, dashboards: Sequence[Dashboard], database: Database) -> None:
        self._config = config
        self._metrics = Metrics()
        self._sources = Sources(database.session, config.prometheus)
        self._dashboards = {one.uid: one for one in dashboards}
        self._threads = ThreadPoolExecutor(config.cassandra.concurrency, "cassandra")
        made, kept = (self._metrics.answers.labels(how).inc for how in ("made", "kept"))
        self._asked: Cache[Asked] = Cache(config.cache_seconds, _ANSWERS, made, kept)
        self._data: Cache[list[Frame]] = Cache(config.cache_seconds, _ANSWERS, made, kept)

    def application(self) -> web.Application:
        """For aiohttp."""
        application = web.Application(middlewares=[self._measure, _guard])
        application.add_routes(
            [
                web.get("/", self._first),
                web.get("/d/{uid}", self._page),
                web.get("/api/dashboards", self._list),
                web.get("/api/dashboards/{uid}", self._dashboard),
                web.get("/api/dashboards/{uid}/variables", self._variables),
                web.get(r"/api/dashboards/{uid}/panels/{id:\d+}", self._panel),
                web.get(r"/api/dashboards/{uid}/panels/{id:\d+}.csv", self._csv),
                web.get("/healthz", _well),
                web.get("/metrics", self._own),
                web.static("/static", str(_STATIC)),
            ]
        )
        return application

    @web.middleware
    async def _measure(self, request: web.Request, handler: Any) -> web.StreamResponse:
        began = time.monotonic()
        try:
            response: web.StreamResponse = await handler(request)
        except web.HTTPException as error:
            self._metrics.requests.labels(error.status).inc()
            raise
        self._metrics.requests.labels(response.status).inc()
        self._metrics.seconds.observe(time.monotonic() - began)
        return response

    async def _own(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _first(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"/d/{next(iter(self._dashboards))}")

    async def _page(self, request: web.Request) -> web.StreamResponse:
        self._named(request)
        return web.FileResponse(str(_STATIC / "page.html"))

    async def _list(self, request: web.Request) -> web.Response:
        return _json([{"uid": one.uid, "title": one.title} for one in self._dashboards.values()])

    async def _dashboard(self, request: web.Request) -> web.Response:
        return _json(self._named(request))

    async def _variables(self, request: web.Request) -> web.Response:
        dashboard = self._named(request)
        asked = await self._ask(dashboard, request, self._time(request))
        values = {name: _shown(value) for name, value in asked.values.items()}
        return _json({"choices": asked.choices, "values": values})

    async def _panel(self, request: web.Request) -> web.Response:
        frames, time_ = await self._found(request)
        return _json({"frames": frames, "from": time_.since, "to": time_.until})

    async def _csv(self, request: web.Request) -> web.Response:
        frames, _ = await self._found(request)
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        heads: list[str] = []
        for frame in frames:
            if heads != [field.name for field in frame.fields]:
                heads = [field.name for field in frame.fields]
                lines.writerow(heads)
            kinds = [field.type for field in frame.fields]
            for row in zip(*(field.values for field in frame.fields), strict=True):
                lines.writerow(
                    [_iso(one) if kind == "time" else one for one, kind in zip(row, kinds, strict=True)]
                )
        panel = self._panel_of(request, self._named(request))
        name = "".join(one if one.isalnum() else "-" for one in panel.title.lower())
        disposition = f'attachment; filename="{name}.csv"'
        return web.Response(
            text=text.getvalue(), content_type="text/csv", headers={"Content-Disposition": disposition}
        )

    async def _found(self, request: web.Request) -> tuple[list[Frame], Range]:
        dashboard = self._named(request)
        panel = self._panel_of(request, dashboard)
        between = self._time(request)
        asked = await self._ask(dashboard, request, between)
        key = (dashboard.uid, panel.id, between, _key(asked.values))
        frames = await self._data.get(
            key, lambda: self._run(lambda: source.data(self._sources, panel, asked.values, between))
        )
        return frames, source.shown(panel, between)

    async def _ask(self, dashboard: Dashboard, request: web.Request, between: Range) -> Asked:
        wanted = {
            variable.name: request.query.getall(f"var-{variable.name}")
            for variable in dashboard.variables
            if f"var-{variable.name}" in request.query
        }
        if self._config.cassandra.keyspace:
            wanted.setdefault("keyspace", [self._config.cassandra.keyspace])
        return await self._asked.get(
            (dashboard.uid, between, _key(wanted)),
            lambda: self._run(lambda: source.ask(self._sources, dashboard, wanted, between)),
        )

    async def _run(self, function: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _time(self, request: web.Request) -> Range:
        dashboard = self._named(request)
        step = max(_STEP_MS, int(self._config.cache_seconds * 1000))
        since = request.query.get("from", dashboard.time.since)
        until = request.query.get("to", dashboard.time.until)
        return moments.between(since, until, int(time.time() * 1000), step)

    def _named(self, request: web.Request) -> Dashboard:
        found = self._dashboards.get(request.match_info["uid"])
        if found is None:
            raise web.HTTPNotFound(text=f"no dashboard {request.match_info['uid']}")
        return found

    def _panel_of(self, request: web.Request, dashboard: Dashboard) -> Panel:
        for panel in dashboard.panels:
            if str(panel.id) == request.match_info["id"]:
                return panel
        raise web.HTTPNotFound(text=f"no panel {request.match_info['id']} in {dashboard.title}")


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer what fails in one sentence, and tell browsers to load nothing from elsewhere."""
    try:
        response: web.StreamResponse = await handler(request)
    except BadRangeError as error:
        response = _error(400, str(error))
    except OperationTimedOut:
        response = _error(503, "Cassandra is slow: no answer in time")
    except (NoHostAvailable, DriverException) as error:
        _log.warning("a query failed", path=request.path, reason=str(error)[:300])
        response = _error(503, "Cassandra does not answer, or refuses the query")
    except UnreachableError as error:
        _log.warning("a query failed", path=request.path, reason=str(error)[:300])
        response = _error(503, "Prometheus does not answer")
    except RefusedError as error:
        response = _error(500, str(error))
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    response.headers.update(_HEADERS)
    return response


async def _well(request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _key(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((name, tuple(one) if isinstance(one, list) else one) for name, one in sorted(values.items()))


def _shown(value: Value) -> str | list[str]:
    return str(value) if isinstance(value, str) else list(value)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _error(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)


def _iso(milliseconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
