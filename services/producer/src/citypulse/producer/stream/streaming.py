"""Keeps the stream from X alive, and hands its messages to the journal."""

import threading
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.journal.committer import Committer
from citypulse.producer.stream import rules
from citypulse.producer.stream.backoff import Backoff
from citypulse.producer.stream.client import BrokenError, HttpError, StalledError, XClient
from citypulse.producer.stream.rules import Rule

log = structlog.get_logger()

_ERRORS = b'{"errors"'
"""How a message of X about the stream itself begins."""


def run(
    config: Config, wanted: Sequence[Rule], client: XClient, committer: Committer, stopping: threading.Event
) -> None:
    """Bring X's rules to what is wanted, then stream until stopped.

    Raises:
        RefusedError: X refuses for good.
    """
    backoff = Backoff(config.x)
    reconcile = True
    while not stopping.is_set():
        metrics.stream_state.state("connecting")
        try:
            if reconcile:
                bring_rules(client, wanted, config.name)
                reconcile = False
            _stream(client, committer, backoff, stopping)
            cause, wait, detail = "closed", backoff.after_network_error, "X closed the stream"
        except BrokenError as error:
            cause, wait, detail = "network", backoff.after_network_error, str(error)
        except StalledError as error:
            cause, wait, detail = "stalled", backoff.after_network_error, str(error)
        except HttpError as error:
            cause, detail = f"http_{error.status}", str(error)
            wait = _after(error, backoff)
            # 409: there are no rules. Somebody deleted them.
            reconcile = error.status == 409
        if stopping.is_set():
            break
        seconds = wait()
        metrics.reconnects.labels(cause).inc()
        metrics.stream_state.state("waiting")
        log.warning("stream: down", cause=cause, detail=detail, again_in_seconds=round(seconds, 2))
        stopping.wait(seconds)
    metrics.stream_state.state("stopped")
    log.info("stream: closed")


def bring_rules(client: XClient, wanted: Sequence[Rule], producer: str) -> None:
    """Delete and add on X what differs from what is wanted. Raises as `XClient` does."""
    plan = rules.plan(client.rules(), wanted, producer)
    if plan.delete:
        client.delete(plan.delete)
    if plan.add:
        client.add(plan.add)
    metrics.rules.set(len(wanted))
    log.info("rules: as configured", rules=len(wanted), deleted=len(plan.delete), added=len(plan.add))


def _after(error: HttpError, backoff: Backoff) -> Callable[[], float]:
    if error.status == 429:
        return lambda: backoff.after_rate_limit(error.headers, time.time())
    return backoff.after_http_error


def _stream(client: XClient, committer: Committer, backoff: Backoff, stopping: threading.Event) -> None:
    """One connection, from its first to its last line. Raises as `XClient.lines` does."""
    connected_at: float | None = None

    def on_connect() -> None:
        nonlocal connected_at
        connected_at = time.monotonic()
        metrics.stream_state.state("connected")
        log.info("stream: connected")

    try:
        for lines in client.lines(on_connect):
            _take(lines, committer, stopping)
    finally:
        if connected_at is not None:
            backoff.lasted(time.monotonic() - connected_at)


def _take(lines: list[bytes], committer: Committer, stopping: threading.Event) -> None:
    now = time.time_ns() // 1_000_000
    messages = [line for line in lines if line and not (line.startswith(_ERRORS) and _is_control(line))]
    if len(messages) < len(lines):
        metrics.keep_alives.inc(lines.count(b""))
    if messages:
        metrics.received.inc(len(messages))
        metrics.received_bytes.inc(sum(map(len, messages)))
        committer.put(now, messages, stopping.is_set)


def _is_control(line: bytes) -> bool:
    """Whether a line carries errors and no post; those errors are counted and logged."""
    try:
        message = msgspec.json.decode(line, type=_Control)
    except msgspec.DecodeError:
        return False
    for error in message.errors:
        title = str(error.get("title", "untitled"))[:80]
        metrics.stream_errors.labels(title).inc()
        log.warning(
            "stream: X reports an error", title=title, detail=error.get("detail"), type=error.get("type")
        )
    return not bytes(message.data)


class _Control(msgspec.Struct):
    errors: list[dict[str, object]]
    data: msgspec.Raw = msgspec.Raw()
