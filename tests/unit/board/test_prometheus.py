"""Lines from Prometheus, as Grafana would draw them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from citypulse.board import prometheus
from citypulse.board.config import Prometheus
from citypulse.board.frames import RefusedError
from citypulse.board.moments import Range

HOUR = Range(1_800_000_000_000, 1_800_003_600_000)


class Fake(ThreadingHTTPServer):
    """Answers every question with the same series."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.series: list[dict[str, Any]] = []

    @property
    def config(self) -> Prometheus:
        return Prometheus(url=f"http://127.0.0.1:{self.server_port}", scrape_seconds=15)


class Answers(BaseHTTPRequestHandler):
    server: Fake

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append({key: one[0] for key, one in parse_qs(parts.query).items()})
        body = (
            {"data": {"result": self.server.series}} if self.server.status == 200 else {"error": "no sense"}
        )
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_each_series_is_a_line_named_by_its_labels(fake: Fake) -> None:
    fake.series = [
        {"metric": {"job": "kafka", "instance": "a:1"}, "values": [[1.5, "2"], [16.5, "NaN"], [31.5, "3.5"]]},
        {"metric": {"job": "board"}, "values": []},
    ]
    first, second = prometheus.series(fake.config, "up", "{{job}} {{ instance }}", HOUR)
    assert (first.name, second.name) == ("kafka a:1", "board")
    assert [(field.type, field.values) for field in first.fields] == [
        ("time", [1500, 31500]),
        ("number", [2.0, 3.5]),
    ]


def test_steps_are_no_finer_than_scrapes_and_whole(fake: Fake) -> None:
    prometheus.series(fake.config, "rate(a[$__rate_interval]) / $__interval", "a", HOUR)
    day = Range(HOUR.since + 7_000, HOUR.since + 86_400_000)
    prometheus.series(fake.config, "rate(a[$__rate_interval])", "a", day)
    hour, longer = fake.asked
    assert (hour["step"], hour["query"]) == ("15", "rate(a[60s]) / 15s")
    assert (longer["step"], longer["query"]) == ("173", "rate(a[188s])")
    assert int(longer["start"]) % 173 == int(longer["end"]) % 173 == 0


def test_what_it_refuses_is_said(fake: Fake) -> None:
    fake.status = 400
    with pytest.raises(RefusedError, match="no sense"):
        prometheus.series(fake.config, "up{", "a", HOUR)


def test_one_that_is_gone_is_not_waited_for(fake: Fake) -> None:
    config = fake.config
    fake.server_close()
    fake.shutdown()
    with pytest.raises(prometheus.UnreachableError):
        prometheus.series(config, "up", "a", HOUR)
