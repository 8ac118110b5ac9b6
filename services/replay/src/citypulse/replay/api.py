"""X's endpoints: the filtered stream and its rules, with X's authentication, limits and answers."""

import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Annotated, Any

import msgspec
import structlog
from aiohttp import web

from citypulse.replay import problems
from citypulse.replay.connection import Connection
from citypulse.replay.delivery import Delivery
from citypulse.replay.fields import BadParameterError, selection
from citypulse.replay.rulebook import Limits
from citypulse.replay.truth import Truth

__all__ = ["StreamSettings", "XApi", "digest"]

Json = dict[str, Any]
Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()
_STREAM_PARAMETERS = {
    *("expansions", "tweet.fields", "user.fields", "place.fields", "media.fields", "poll.fields"),
    *("backfill_minutes", "start_time", "end_time"),
}


class StreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a stream: seconds of silence before a keep-alive, zlib's level for gzip, bytes that may wait."""

    keep_alive_seconds: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    gzip_level: Annotated[int, msgspec.Meta(ge=0, le=9)] = 1
    buffer_bytes: Annotated[int, msgspec.Meta(ge=1)] = 64 * 1024 * 1024


def digest(token: str) -> str:
    """How a token is shown anywhere: the first 8 hex digits of its sha256."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


class XApi:
    """The endpoints under /2/tweets/search/stream, for the given bearer tokens."""

    def __init__(
        self, delivery: Delivery, truth: Truth, tokens: list[str], limits: Limits, settings: StreamSettings
    ) -> None:
        self._delivery, self._truth, self._limits, self._settings = delivery, truth, limits, settings
        self._digests = {token: digest(token) for token in tokens}
        self._numbers = count(1)
        self._windows = _Windows(limits)

    def routes(self) -> list[web.RouteDef]:
        """What to serve, for aiohttp's router."""
        path = "/2/tweets/search/stream"
        return [
            web.get(path, self._guarded("stream", self._limits.stream_requests, self._stream)),
            web.get(
                path + "/rules", self._guarded("rules-get", self._limits.rules_get_requests, self._list_rules)
            ),
            web.post(
                path + "/rules",
                self._guarded("rules-post", self._limits.rules_post_requests, self._change_rules),
            ),
        ]

    def _guarded(
        self, endpoint: str, limit: int, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            known = self._digests.get(token.strip()) if scheme.lower() == "bearer" else None
            if known is None:
                return _answer(problems.unauthorized())
            headers, within = self._windows.take(known, endpoint, limit)
            request["rate_limit"] = headers
            if not within:
                return _answer(problems.rate_limited(), headers)
            try:
                response = await handler(request, known)
            except BadParameterError as error:
                response = _answer(problems.invalid_parameter(error.name, error.value, error.allowed))
            if not response.prepared:
                response.headers.update(headers)
            return response

        return guarded

    async def _stream(self, request: web.Request, token: str) -> web.StreamResponse:
        for name in request.query:
            if name not in _STREAM_PARAMETERS:
                return _unknown_parameter(name, request.query[name], _STREAM_PARAMETERS)
        chosen = selection(request.query)
        rulebook = self._delivery.rulebook(token)
        if not rulebook:
            return _answer(problems.conflict_without_rules())
        if (
            sum(open_one.token == token for open_one in self._delivery.connections)
            >= self._limits.connections
        ):
            return _answer(problems.too_many_connections())
        connection = Connection(
            next(self._numbers),
            token,
            rulebook,
            chosen,
            self._truth,
            keep_alive=self._settings.keep_alive_seconds,
            gzip_level=self._settings.gzip_level,
        )
        response = web.StreamResponse(headers=request["rate_limit"])
        response.content_type, response.charset = "application/json", "utf-8"
        response.enable_chunked_encoding()
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            response.headers["Content-Encoding"] = "gzip"
        # Before the first await, so that of two requests at once only one gets the token's connection.
        self._delivery.connect(connection)
        log = _log.bind(stream=connection.number, token=token)
        try:
            await response.prepare(request)
            log.info("stream connected", rules=len(rulebook), agent=request.headers.get("User-Agent", ""))
            await connection.run(request, response)
        except ConnectionError:
            pass
        except OSError as error:
            self._delivery.fail(error)
        finally:
            self._delivery.disconnect(connection)
            log.info("stream ended", sent=connection.sent)
        return response

    async def _list_rules(self, request: web.Request, token: str) -> web.StreamResponse:
        ids = [one for one in request.query.get("ids", "").split(",") if one]
        for one in ids:
            if not one.isdigit():
                return _answer(
                    problems.invalid_request(
                        f"The `ids` query parameter value [{one}] is not valid", {"ids": [one]}
                    )
                )
        return _json(200, self._delivery.rulebook(token).listing(ids or None))

    async def _change_rules(self, request: web.Request, token: str) -> web.StreamResponse:
        dry_run = request.query.get("dry_run", "false").lower() == "true"
        try:
            body = msgspec.json.decode(await request.read(), type=_Change)
        except msgspec.DecodeError as error:
            return _answer(problems.invalid_request(f"Invalid request body: {error}"))
        rulebook = self._delivery.rulebook(token)
        if body.add and body.delete is None:
            return _json(*rulebook.add([msgspec.to_builtins(rule) for rule in body.add], dry_run=dry_run))
        if body.delete is not None and not body.add:
            if body.delete.ids and not body.delete.values:
                return _json(*rulebook.delete("ids", [str(one) for one in body.delete.ids], dry_run=dry_run))
            if body.delete.values and not body.delete.ids:
                return _json(*rulebook.delete("values", body.delete.values, dry_run=dry_run))
        return _answer(
            problems.invalid_request(
                "The request body must hold rules to `add`, or `ids` or `values` to `delete`"
            )
        )


class _NewRule(msgspec.Struct):
    value: str
    tag: str | None = None


class _Deletion(msgspec.Struct):
    ids: list[str | int] = []
    values: list[str] = []


class _Change(msgspec.Struct):
    add: list[_NewRule] = []
    delete: _Deletion | None = None


class _Windows:
    """How many requests each token made to each endpoint in the current window."""

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.window_seconds
        self._reset = 0.0
        self._used: Counter[tuple[str, str]] = Counter()

    def take(self, token: str, endpoint: str, limit: int) -> tuple[dict[str, str], bool]:
        """Count one request; the rate-limit headers of its answer, and whether it is within the limit."""
        now = time.time()
        if now >= self._reset:
            self._reset = now + self._seconds
            self._used.clear()
        self._used[token, endpoint] += 1
        used = self._used[token, endpoint]
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - used)),
            "x-rate-limit-reset": str(int(self._reset) + 1),
        }
        return headers, used <= limit


def _unknown_parameter(name: str, value: str, allowed: set[str]) -> web.Response:
    message = f"The query parameter [{name}] is not one of [{','.join(sorted(allowed))}]"
    return _answer(problems.invalid_request(message, {name: [value]}))


def _json(status: int, body: Json) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", charset="utf-8"
    )


def _answer(problem: problems.Problem, headers: dict[str, str] | None = None) -> web.Response:
    status, body = problem
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/problem+json",
        headers=headers,
    )
