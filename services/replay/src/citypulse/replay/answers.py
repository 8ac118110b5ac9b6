"""HTTP answers with a JSON body."""

from typing import Any

import msgspec
from aiohttp import web

from citypulse.replay import problems

__all__ = ["Json", "json_answer", "problem_answer"]

Json = dict[str, Any]


def json_answer(status: int, body: Json) -> web.Response:
    """An answer that is well, or at least ours."""
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json", charset="utf-8"
    )


def problem_answer(problem: problems.Problem, headers: dict[str, str] | None = None) -> web.Response:
    """A refusal as X words it."""
    status, body = problem
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/problem+json",
        headers=headers,
    )
