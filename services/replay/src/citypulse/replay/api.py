"""X's endpoints: the filtered stream and its rules, recent search and counts, with X's authentication, limits
and answers.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Collection
from itertools import count
from typing import Annotated

import msgspec
import structlog
from aiohttp import web

from citypulse.replay import faults, problems
from citypulse.replay.answers import json_answer, problem_answer
from citypulse.replay.connection import Connection
from citypulse.replay.counts import COUNTS_PARAMETERS, counts
from citypulse.replay.delivery import Delivery
from citypulse.replay.fields import FIELD_PARAMETERS, BadParameterError, selection
from citypulse.replay.rate_limits import RateLimits
from citypulse.replay.recent import Asked, BadRequestError, asked, bad_value
from citypulse.replay.rulebook import Limits
from citypulse.replay.search import SEARCH_PARAMETERS, search
from citypulse.replay.truth import Truth

__all__ = ["Account", "StreamSettings", "XApi", "digest"]

Handler = Callable[[web.Request, str], Awaitable[web.StreamResponse]]

_log = structlog.get_logger()
_STREAM_PARAMETERS = FIELD_PARAMETERS | {"backfill_minutes", "start_time", "end_time"}
_LONGEST_BACKFILL = 5
# What a fault of requests answers. A conflict is as that without rules.
_REFUSALS: dict[type[faults.Fault], Callable[[], problems.Problem]] = {
    faults.RateLimit: problems.rate_limited,
    faults.TooManyConnections: problems.too_many_connections,
    faults.Unauthorized: problems.unauthorized,
    faults.Forbidden: problems.forbidden,
    faults.Conflict: problems.conflict_without_rules,
    faults.ServerError: problems.server_error,
    faults.Unavailable: problems.unavailable,
}


class StreamSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a stream: seconds of silence before a keep-alive, zlib's level for gzip, bytes that may wait."""

    keep_alive_seconds: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    gzip_level: Annotated[int, msgspec.Meta(ge=0, le=9)] = 1
    buffer_bytes: Annotated[int, msgspec.Meta(ge=1)] = 64 * 1024 * 1024


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What X has sold: `backfill` of streams, recent `search` and counts.

    For either, what was played in the last `history_seconds` is kept in memory, at most `history_bytes` of
    JSON; the oldest is forgotten first. A post is found by search `search_delay_seconds` after it was created
    (three times that where a request has no end_time).
    """

    backfill: bool = False
    search: bool = False
    history_seconds: Annotated[float, msgspec.Meta(gt=0, le=604_800)] = 3600.0
    history_bytes: Annotated[int, msgspec.Meta(ge=1)] = 256 * 1024 * 1024
    search_delay_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0


def digest(token: str) -> str:
    """How a token is shown anywhere: the first 8 hex digits of its sha256."""
    return hashlib.sha256(token.encode()).hexdigest()[:8]


class XApi:
    """The endpoints under /2/tweets, for the given bearer tokens."""

    def __init__(
        self,
        delivery: Delivery,
        truth: Truth,
        tokens: list[str],
        limits: Limits,
        settings: StreamSettings,
        account: Account,
    ) -> None:
        self._delivery, self._truth, self._limits, self._settings = delivery, truth, limits, settings
        self._faults, self._account = delivery.faults, account
        self._digests = {token: digest(token) for token in tokens}
        self._numbers = count(1)
        self._windows = RateLimits(limits)

    def routes(self) -> list[web.RouteDef]:
        """What to serve, for aiohttp's router."""
        stream, rules, limits = "/2/tweets/search/stream", "/2/tweets/search/stream/rules", self._limits
        return [
            web.get(stream, self._guarded("stream", limits.stream_requests, self._stream)),
            web.get(rules, self._guarded("rules-get", limits.rules_get_requests, self._list_rules)),
            web.post(rules, self._guarded("rules-post", limits.rules_post_requests, self._change_rules)),
            web.get("/2/tweets/search/recent", self._guarded("search", limits.search_requests, self._search)),
            web.get("/2/tweets/counts/recent", self._guarded("counts", limits.counts_requests, self._counts)),
        ]

    def _guarded(
        self, endpoint: str, limit: int, handler: Handler
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            known = self._digests.get(token.strip()) if scheme.lower() == "bearer" else None
            if known is None:
                return problem_answer(problems.unauthorized())
            headers, within = self._windows.take(known, endpoint, limit)
            request["rate_limit"] = headers
            if not within:
                return problem_answer(problems.rate_limited(), headers)
            kind, _, _ = endpoint.partition("-")
            if refusal := self._refusal(known, kind, headers):
                return refusal
            delay = self._faults.answer_delay(known) if kind == "rules" else 0.0
            try:
                response = await handler(request, known)
            except BadParameterError as error:
                response = problem_answer(problems.invalid_parameter(error.name, error.value, error.allowed))
            except BadRequestError as error:
                response = problem_answer(problems.invalid_request(error.sentence, error.parameters))
            if delay:
                await asyncio.sleep(delay)
            if not response.prepared:
                response.headers.update(headers)
            return response

        return guarded

    def _refusal(self, token: str, endpoint: str, headers: dict[str, str]) -> web.Response | None:
        """The answer of a fault that refuses this request."""
        armed = self._faults.on_request(token, endpoint)
        if armed is None:
            return None
        if isinstance(armed.fault, faults.RateLimit):
            headers["x-rate-limit-remaining"] = "0"
            if armed.fault.seconds is not None and armed.begun_at is not None:
                headers["x-rate-limit-reset"] = str(int(armed.begun_at / 1000 + armed.fault.seconds) + 1)
        return problem_answer(_REFUSALS[type(armed.fault)](), headers)

    async def _stream(self, request: web.Request, token: str) -> web.StreamResponse:
        _check_names(request, _STREAM_PARAMETERS)
        chosen = selection(request.query)
        minutes = self._backfill_minutes(request)
        rulebook = self._delivery.rulebook(token)
        if not rulebook:
            return problem_answer(problems.conflict_without_rules())
        open_streams = {one.number for one in self._delivery.connections if one.token == token}
        if len(open_streams) + self._faults.dead(token, open_streams) >= self._limits.connections:
            return problem_answer(problems.too_many_connections())
        connection = Connection(
            next(self._numbers),
            token,
            rulebook,
            chosen,
            self._truth,
            self._faults,
            keep_alive=self._settings.keep_alive_seconds,
            gzip_level=self._settings.gzip_level,
            backfill=self._delivery.backfill(rulebook, chosen, minutes) if minutes else (),
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

    def _backfill_minutes(self, request: web.Request) -> int:
        text = request.query.get("backfill_minutes", "0")
        if text not in map(str, range(_LONGEST_BACKFILL + 1)):
            raise bad_value("backfill_minutes", text, f"is not between 0 and {_LONGEST_BACKFILL}")
        if int(text) and not self._account.backfill:
            raise bad_value("backfill_minutes", text, "is not available for this account")
        return int(text)

    async def _search(self, request: web.Request, _: str) -> web.StreamResponse:
        if (history := self._delivery.history) is None or not self._account.search:
            return problem_answer(problems.forbidden())
        _check_names(request, SEARCH_PARAMETERS)
        return json_answer(200, await search(request.query, self._asked(request), history))

    async def _counts(self, request: web.Request, _: str) -> web.StreamResponse:
        if (history := self._delivery.history) is None or not self._account.search:
            return problem_answer(problems.forbidden())
        _check_names(request, COUNTS_PARAMETERS)
        wanted = self._asked(request)
        return json_answer(200, await counts(request.query, wanted, history, self._limits.counts_buckets))

    def _asked(self, request: web.Request) -> Asked:
        return asked(
            request.query,
            longest=self._limits.query_characters,
            now_ms=int(time.time() * 1000),
            delay_seconds=self._account.search_delay_seconds,
        )

    async def _list_rules(self, request: web.Request, token: str) -> web.StreamResponse:
        ids = [one for one in request.query.get("ids", "").split(",") if one]
        for one in ids:
            if not one.isdigit():
                return problem_answer(
                    problems.invalid_request(
                        f"The `ids` query parameter value [{one}] is not valid", {"ids": [one]}
                    )
                )
        return json_answer(200, self._delivery.rulebook(token).listing(ids or None))

    async def _change_rules(self, request: web.Request, token: str) -> web.StreamResponse:
        dry_run = request.query.get("dry_run", "false").lower() == "true"
        try:
            body = msgspec.json.decode(await request.read(), type=_Change)
        except msgspec.DecodeError as error:
            return problem_answer(problems.invalid_request(f"Invalid request body: {error}"))
        rulebook = self._delivery.rulebook(token)
        if body.add and body.delete is None:
            wanted = [msgspec.to_builtins(rule) for rule in body.add]
            limits = self._faults.rule_limits(token, self._limits)
            return json_answer(*rulebook.add(wanted, dry_run=dry_run, limits=limits))
        if body.delete is not None and not body.add:
            if body.delete.ids and not body.delete.values:
                return json_answer(
                    *rulebook.delete("ids", [str(one) for one in body.delete.ids], dry_run=dry_run)
                )
            if body.delete.values and not body.delete.ids:
                return json_answer(*rulebook.delete("values", body.delete.values, dry_run=dry_run))
        return problem_answer(
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


def _check_names(request: web.Request, allowed: Collection[str]) -> None:
    for name, value in request.query.items():
        if name not in allowed:
            raise BadRequestError(
                f"The query parameter [{name}] is not one of [{','.join(sorted(allowed))}]", {name: [value]}
            )
