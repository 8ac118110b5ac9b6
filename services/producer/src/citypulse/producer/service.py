"""The running producer: a few threads, each watched; one that dies takes the process down with its reason.

stream     X → lines                    ends when asked, or when X refuses
committer  lines → journal              ends after the stream
sender     journal → Kafka              ends after the committer, drained or out of time
http       /metrics, /healthz, /readyz  ends with the process
"""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from citypulse import places
from citypulse.producer import health, message, metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import ShortError, StopError
from citypulse.producer.journal import owner
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.writer import Writer
from citypulse.producer.send.sender import Sender
from citypulse.producer.stream import rules, streaming
from citypulse.producer.stream.client import XClient

log = structlog.get_logger()

_SHORT_OF = {12: "memory", 27: "disk (a file grew too large)", 28: "disk", 122: "disk (quota)"}
"""ENOMEM, EFBIG, ENOSPC, EDQUOT."""


class _Threads:
    """Threads whose end is noticed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[str, threading.Thread] = {}
        self.failure: tuple[str, BaseException] | None = None

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Run a function in a thread of its own."""

        def supervised() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the process must know
                with self._changed:
                    self.failure = self.failure or (name, error)
            with self._changed:
                del self._running[name]
                self._changed.notify_all()

        thread = threading.Thread(target=supervised, name=name, daemon=True)
        self._running[name] = thread
        thread.start()

    def alive(self) -> list[str]:
        """Names of the threads that run."""
        with self._changed:
            return list(self._running)

    def wait(self, done: Callable[[], bool], seconds: float = threading.TIMEOUT_MAX) -> None:
        """Return when it is done, when a thread has failed, or when the time is over."""
        until = time.monotonic() + seconds
        with self._changed:
            while not done() and not self.failure and (left := until - time.monotonic()) > 0:
                # In slices, so that the main thread hears signals.
                self._changed.wait(min(left, 0.2))

    def ended(self, name: str, seconds: float) -> bool:
        """Wait for one thread's end, whatever became of the others; whether it has ended in time."""
        until = time.monotonic() + seconds
        with self._changed:
            while name in self._running and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.2))
            return name not in self._running


def run(config: Config, token: str) -> None:
    """Stream until SIGTERM or SIGINT, then drain and return.

    Raises:
        StopError: why it cannot go on.
    """
    wanted = rules.configured(config)
    writer = Writer(Path(config.journal.dir), config.journal.segment_bytes)
    journal = config.journal
    owner.claim(Path(journal.dir), config.name, writer.next_sequence)
    committer = Committer(
        writer,
        journal.group_records,
        journal.group_ms / 1000,
        journal.max_bytes,
        journal.when_full,
        journal.reserve_bytes,
        journal.set_aside_days * 86400,
    )
    cities_topic = places.topic_name(config.run)
    sender = Sender(config, message.parser(config, wanted), committer, cities_topic)
    client = XClient(config.x, token)
    threads = _Threads()
    stopping = threading.Event()
    _watch(writer, committer, sender)
    status = health.Health(threads.alive, sender)
    server = health.serve(config.http, status)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    threads.start("http", server.serve_forever)
    threads.start("sender", sender.run)
    threads.start("committer", committer.run)
    threads.start("stream", lambda: streaming.run(config, wanted, client, committer, stopping))
    log.info("producer: started", name=config.name, run=config.run, journal=journal.dir, x=config.x.base_url)
    threads.wait(stopping.is_set)

    log.info("producer: stops", failed=bool(threads.failure))
    stopping.set()
    client.close()
    # Each waits for the one before it, a failure or not: what was read is to be journaled.
    threads.ended("stream", config.x.connect_seconds + 1)
    committer.close()
    journaled = threads.ended("committer", config.stop_seconds)
    if committer.unjournaled:
        log.error("producer: messages were read and could not be journaled", messages=committer.unjournaled)
    sender.stop(config.stop_seconds if not threads.failure else 1.0)
    threads.ended("sender", config.stop_seconds + 10)
    server.shutdown()
    if journaled:
        writer.close()
    if threads.failure:
        _raise(*threads.failure)
    log.info("producer: stopped", left_in_journal=committer.durable - sender.acknowledged)


def _watch(writer: Writer, committer: Committer, sender: Sender) -> None:
    """Let the gauges look at what they measure when they are asked."""

    def journal_oldest_age() -> float:
        return max(time.time() - at / 1000, 0.0) if (at := sender.oldest_at) else 0.0

    metrics.journal_bytes.set_function(lambda: writer.size)
    metrics.journal_backlog.set_function(lambda: max(committer.durable - sender.acknowledged, 0))
    metrics.journal_oldest_age.set_function(journal_oldest_age)
    metrics.in_flight_records.set_function(lambda: len(sender.in_flight))
    metrics.in_flight_bytes.set_function(lambda: sender.in_flight.bytes)
    metrics.unacknowledged_age.set_function(sender.in_flight.oldest_seconds)


def _raise(thread: str, error: BaseException) -> None:
    if isinstance(error, StopError):
        raise error
    if isinstance(error, OSError) and error.errno in _SHORT_OF:
        raise ShortError(
            f"{thread}: {_SHORT_OF[error.errno]} is short ({error}): free some;"
            " what was accepted is safe in the journal"
        ) from error
    raise StopError(f"{thread} died: {type(error).__name__}: {error}") from error
