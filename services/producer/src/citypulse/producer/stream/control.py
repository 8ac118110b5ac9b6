"""What X says about the stream within the stream: lines that carry errors and no post.

The types are those of X's problems (https://docs.x.com/x-api/fundamentals/response-codes-and-errors): each is
counted. Some say that the connection ends; then it is ended from here, and the type decides how long to wait.
"""

from typing import NamedTuple

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.stream.session import TOO_MANY_CONNECTIONS, USAGE_CAPPED, Problem

log = structlog.get_logger()

_POST = b'{"data"'
"""How nearly every message begins; only others are looked into."""


class EndedError(Exception):
    """X ends the connection."""

    def __init__(self, cause: str, detail: str, *, reconcile: bool = False) -> None:
        super().__init__(detail)
        self.cause = cause
        self.reconcile = reconcile
        """Whether X's rules are to be looked at before the next connection."""


class _Line(Problem):
    errors: list[Problem] = msgspec.field(default_factory=list)
    data: msgspec.Raw = msgspec.Raw()


class Control(NamedTuple):
    """A line that is no message."""

    problems: list[Problem]

    def ends(self) -> EndedError | None:
        """How the connection ends, where it does."""
        return next((end for problem in self.problems if (end := _end(problem))), None)


_decoder = msgspec.json.Decoder(_Line)


def read(line: bytes) -> Control | None:
    """The control message that a line is; None where it is a message, or nothing that can be understood.

    Errors that come with a post are about parts of it, which X left out; they are counted, too.
    """
    if line.startswith(_POST):
        return None
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    problems = found.errors or ([found] if found.type and found.title else [])
    for problem in problems:
        metrics.stream_errors.labels(problem.kind).inc()
        log.warning(
            "stream: X reports an error", type=problem.kind, title=problem.title, detail=problem.detail
        )
    return None if bytes(found.data) or not problems else Control(problems)


def _end(problem: Problem) -> EndedError | None:
    detail = problem.detail or problem.title
    if problem.usage_capped:
        return EndedError(USAGE_CAPPED, f"{detail} ({problem.period.lower() or 'unnamed'} period)")
    if problem.too_many_connections:
        return EndedError(TOO_MANY_CONNECTIONS, detail)
    if problem.connection_issue in ("RuleConfigurationIssue", "RulesInvalidIssue"):
        return EndedError("invalid_rules", detail, reconcile=True)
    if problem.disconnect_type == "InvalidRules":
        return EndedError("invalid_rules", detail, reconcile=True)
    if problem.disconnect_type == "SlowReader":
        return EndedError("slow_reader", detail)
    if problem.kind in ("operational-disconnect", "streaming-connection") or problem.disconnect_type:
        return EndedError("operational_disconnect", detail)
    return None
