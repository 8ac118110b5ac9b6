"""/metrics, /healthz and /readyz."""

import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from citypulse.producer import metrics
from citypulse.producer.config import Http
from citypulse.producer.errors import BadInputError
from citypulse.producer.journal.committer import Committer
from citypulse.producer.send.sender import Sender

log = structlog.get_logger()

THREADS = ("stream", "committer", "sender", "brokers")
SLOW_DISK_SECONDS = 10.0
"""A disk that takes longer for a group hangs, and nothing that comes is accepted."""


class Health:
    """Whether the process works, and whether it does what it is for."""

    def __init__(self, alive: Callable[[], list[str]], sender: Sender, committer: Committer) -> None:
        self._alive = alive
        self._sender = sender
        self._committer = committer

    def healthy(self) -> dict[str, bool]:
        """Every thread runs. If one does not, the process is about to end."""
        alive = self._alive()
        return {thread: thread in alive for thread in THREADS}

    def ready(self) -> dict[str, bool]:
        """X is connected, the journal has room and its disk answers, and Kafka takes what comes.

        What is journaled is safe.
        """
        return self.healthy() | {
            "connected": metrics.stream_is("connected"),
            "journal": not metrics.journal_is_full() and self._committer.waiting_seconds < SLOW_DISK_SECONDS,
            "kafka": self._sender.connected,
            "circuit": self._sender.circuit.state in ("closed", "slowed"),
        }


def serve(http: Http, health: Health) -> ThreadingHTTPServer:
    """A server that listens; its `serve_forever` serves.

    Raises:
        BadInputError: the address is not to be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path in ("/healthz", "/readyz"):
                checks = health.healthy() if self.path == "/healthz" else health.ready()
                status = HTTPStatus.OK if all(checks.values()) else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "application/json", msgspec.json.encode(checks))
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /healthz, /readyz\n")

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not worth a line each."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say in one line that somebody went away in the middle, or whatever it was."""
            log.info("http: a request failed", reason=repr(sys.exception()))

    try:
        server = Server((http.address, http.port), Handler)
    except OSError as error:
        raise BadInputError(
            f"http.port = {http.port} on {http.address} cannot be had ({error.strerror}): give another"
        ) from error
    return server
