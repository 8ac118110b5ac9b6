"""A stream in a thread, against a small X that does what a test tells it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from citypulse.producer import metrics
from citypulse.producer import spend as spending
from citypulse.producer.config import Config, Feed, Journal, Spend, X
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.routes import Routes
from citypulse.producer.stream.client import XClient
from citypulse.producer.stream.streaming import Streaming
from citypulse.producer.stream.subscription import Subscription

from .fake_x import BEARER, Connection, FakeX

FEEDS = (Feed("all", ("CA",)),)
DEADLINE = 30.0


def settings_for(server: FakeX, **more: float | bool) -> X:
    quick = {
        "network_step_seconds": 0.01,
        "network_max_seconds": 0.02,
        "http_first_seconds": 0.01,
        "http_max_seconds": 0.02,
        "rate_limit_first_seconds": 0.01,
    }
    return X(base_url=server.url, **{**quick, **more})  # type: ignore[arg-type]


class Journaled:
    """Stands where the committer stands, with a disk that is done at once."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.unjournaled = self.dropped = 0

    @property
    def durable(self) -> int:
        return len(self.payloads) + 1

    def put(self, at: int, payloads: list[bytes], stopping: Callable[[], bool]) -> None:
        assert abs(at / 1000 - time.time()) < 3600
        self.payloads += payloads


class Running:
    """A stream in a thread, with its book of gaps in a directory."""

    def __init__(
        self,
        directory: Path,
        x: X,
        token: str = BEARER,
        sleep: Callable[[float], object] | None = None,
        spend: Spend | None = None,
    ) -> None:
        self.config = Config(x=x, feeds=FEEDS, journal=Journal(str(directory)), spend=spend or Spend())
        self.journal: Any = Journaled()
        self.client = XClient(x, token)
        self.stopping = threading.Event()
        self.heard = Heard(directory, self.journal)
        self.book = GapBook(directory, "main", self.heard)
        self.spend = spending.Spend(directory, self.config.spend, self.journal, self.client.clock)
        subscription = Subscription(self.config, Routes(), self.book, self.client.interrupt)
        self.stream = Streaming(
            subscription,
            self.client,
            self.journal,
            self.heard,
            self.book,
            self.spend,
            self.stopping,
            sleep or self.stopping.wait,
        )
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.stream.run()
        except BaseException as error:  # noqa: BLE001 - a test looks at it
            self.error = error

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, (
                f"{what} did not happen within {DEADLINE:g} s: {self.journal.payloads} {self.error}"
            )
            time.sleep(0.005)

    def stop(self) -> None:
        self.stopping.set()
        self.client.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the stream did not stop"


def reconnects(cause: str) -> float:
    registry: CollectorRegistry = metrics.registry
    return registry.get_sample_value("citypulse_producer_reconnects_total", {"cause": cause}) or 0.0


def sends(*lines: bytes) -> Callable[[Connection], None]:
    def script(connection: Connection) -> None:
        connection.accept()
        for line in lines:
            connection.send(line)
        connection.wait_for_close()

    return script


def stream_errors(kind: str) -> float:
    found = metrics.registry.get_sample_value("citypulse_producer_stream_errors_total", {"type": kind})
    return found or 0.0


def close_at_once(connection: Connection) -> None:
    connection.accept()
    connection.end()


def break_in_the_middle(connection: Connection) -> None:
    connection.accept()
    connection.send(b'{"data":{"id":"1"}}\r\n{"data":{"id"')
    connection.break_off()


def refuses(
    status: int, problem: dict[str, Any] | None = None, **headers: str
) -> Callable[[Connection], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda connection: connection.refuse(status, named, problem)
