"""What is asked of Prometheus, and what its answers mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from citypulse.control import prometheus
from citypulse.control.faults import Fault
from tests.processes import free_port

MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [{"metric": {"service": "kafka1"}, "values": [[10.5, "1"], [15.5, "NaN"], [20.5, "2.5"]]}],
    },
}


class Fake(HTTPServer):
    """Answers as Prometheus does, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, parse_qs(body)))
        self.send_response(self.server.status)
        self.end_headers()
        wrong = {"status": "error", "error": "parse\nerror"}
        self.wfile.write(json.dumps(MATRIX if self.server.status == 200 else wrong).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def fake() -> Iterator[Fake]:
    server = Fake()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_samples_are_asked_for_as_they_were_scraped(fake: Fake) -> None:
    (series,) = prometheus.samples(fake.address, "up", 100, 160.5)
    assert fake.asked == [("/api/v1/query", {"query": ["up[60500ms]"], "time": ["160.500"]})]
    assert series.labels == {"service": "kafka1"}
    assert series.samples == [(10.5, 1.0), (20.5, 2.5)]


def test_a_curve_has_a_value_for_each_step(fake: Fake) -> None:
    prometheus.curve(fake.address, "rate(x[15s])", 100, 160, 5)
    ((endpoint, asked),) = fake.asked
    assert endpoint == "/api/v1/query_range"
    assert asked == {"query": ["rate(x[15s])"], "start": ["100.000"], "end": ["160.000"], "step": ["5"]}


def test_a_refusal_and_a_silence_are_one_sentence_each(fake: Fake) -> None:
    fake.status = 400
    with pytest.raises(Fault, match=r"refused up\[1ms\]: .*parse.*error.*\.$"):
        prometheus.samples(fake.address, "up", 1, 1)
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(Fault, match=f"Prometheus at {nobody} does not answer"):
        prometheus.samples(nobody, "up", 1, 1)
