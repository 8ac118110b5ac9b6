"""The running process: endpoints, status, health and metrics around one source that plays."""

import asyncio
import contextlib
import os
import secrets
import signal
import ssl
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from citypulse.replay import problems
from citypulse.replay.api import digest
from citypulse.replay.config import Server
from citypulse.replay.delivery import Delivery
from citypulse.replay.truth import Truth
from citypulse.settings import BadSettingError

__all__ = ["read_tokens", "serve"]

Json = dict[str, Any]

_log = structlog.get_logger()


def read_tokens(server: Server) -> list[str]:
    """The bearer tokens of the token file; where there is no file one token is made and written to it,
    readable by its owner only.
    """
    path = Path(server.token_file) if server.token_file else _default_token_file()
    try:
        tokens = path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        tokens = [secrets.token_urlsafe(48)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(tokens[0] + "\n", encoding="ascii")
        _log.info("made a bearer token", token_file=str(path), token=digest(tokens[0]))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettingError(f"server.token_file {path} cannot be read: {error}") from None
    if not tokens:
        raise BadSettingError(
            f"server.token_file {path} is empty: write one bearer token a line, or remove it to have one made"
        )
    return tokens


def _default_token_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "citypulse" / "replay.token"


async def serve(
    server: Server, routes: list[web.RouteDef], delivery: Delivery, truth: Truth, about: Json
) -> None:
    """Serve until SIGTERM or SIGINT, playing the source once; `about` is what /status tells of it.

    Raises OSError where the address cannot be bound, and whatever ended the source if it died.
    """
    app = web.Application(middlewares=[_plain_404], client_max_size=16 * 1024 * 1024)
    app.add_routes([*routes, *_own_routes(delivery, truth, about)])
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    play: asyncio.Task[None] | None = None
    try:
        await web.TCPSite(runner, server.address, server.port, ssl_context=_tls(server)).start()
        _log.info("serving", address=server.address, port=server.port, **about)
        play = asyncio.create_task(delivery.play())
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait({play, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if play.done():
            play.result()
            await waiting
        waiting.cancel()
    finally:
        if play is not None:
            play.cancel()
        for connection in list(delivery.connections):
            connection.end()
        await runner.cleanup()
        if play is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await play
        delivery.close()
        _log.info("stopped", sent=truth.sent, undelivered=truth.undelivered)


def _tls(server: Server) -> ssl.SSLContext | None:
    if not server.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(server.tls_cert, server.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise BadSettingError(
            f"server.tls_cert {server.tls_cert} and server.tls_key {server.tls_key} cannot be used: {error}"
        ) from None
    return context


def _own_routes(delivery: Delivery, truth: Truth, about: Json) -> list[web.RouteDef]:
    registry = CollectorRegistry()
    registry.register(_Metrics(delivery, truth))

    async def status(_: web.Request) -> web.Response:
        body = {**about, **_status(delivery, truth)}
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    # Ready means that a client can connect; the source needs no warming.
    return [
        web.get("/status", status),
        web.get("/healthz", healthy),
        web.get("/readyz", healthy),
        web.get("/metrics", metrics),
    ]


def _status(delivery: Delivery, truth: Truth) -> Json:
    return {
        "state": delivery.state,
        "played": delivery.played,
        "sent": truth.sent,
        "undelivered": truth.undelivered,
        "first_at": delivery.first_at,
        "last_at": delivery.last_at,
        "late_seconds": round(delivery.late_seconds, 3),
        "due_in_seconds": round(delivery.due_in_seconds, 3),
        "history": _history(delivery),
        "streams": [
            {
                "stream": one.number,
                "token": one.token,
                "rules": len(one.rulebook),
                "sent": one.sent,
                "queued_bytes": one.queued_bytes,
            }
            for one in delivery.connections
        ],
    }


def _history(delivery: Delivery) -> Json | None:
    history = delivery.history
    if history is None:
        return None
    return {"posts": len(history), "bytes": history.bytes, "since": history.since_ms}


class _Metrics(Collector):
    """The same numbers for Prometheus, read when they are asked for."""

    def __init__(self, delivery: Delivery, truth: Truth) -> None:
        self._delivery, self._truth = delivery, truth

    def collect(self) -> Any:
        delivery, truth = self._delivery, self._truth
        yield CounterMetricFamily(
            "citypulse_replay_played", "Messages that the source gave.", value=delivery.played
        )
        yield CounterMetricFamily(
            "citypulse_replay_sent", "Messages sent, over all streams.", value=truth.sent
        )
        yield CounterMetricFamily(
            "citypulse_replay_undelivered", "Matched messages that were never sent.", value=truth.undelivered
        )
        yield GaugeMetricFamily(
            "citypulse_replay_streams", "Streams connected.", value=len(delivery.connections)
        )
        yield GaugeMetricFamily(
            "citypulse_replay_late_seconds",
            "How far the source is behind its schedule.",
            value=delivery.late_seconds,
        )
        yield GaugeMetricFamily(
            "citypulse_replay_queued_bytes",
            "Bytes waiting for streams.",
            value=sum(c.queued_bytes for c in delivery.connections),
        )


@web.middleware
async def _plain_404(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPNotFound:
        status, body = problems.not_found()
        return web.Response(
            status=status, body=msgspec.json.encode(body), content_type="application/problem+json"
        )
    return response
