"""A small X: rules in memory, and a stream that does what a test tells it, connection by connection."""

import gzip
import json
import os
import threading
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEARER = f"the-token-{os.getpid()}"
"""Of this run alone: a token that another run on this machine uses would be refused."""

TOO_MANY_CONNECTIONS = {
    "title": "ConnectionException",
    "detail": "This stream is currently at the maximum allowed connection limit.",
    "connection_issue": "TooManyConnections",
    "type": "https://api.twitter.com/2/problems/streaming-connection",
}
USAGE_CAPPED = {
    "title": "UsageCapExceeded",
    "detail": "Usage cap exceeded: Monthly product cap",
    "period": "Monthly",
    "scope": "Product",
    "type": "https://api.twitter.com/2/problems/usage-capped",
}

Answer = tuple[int, dict[str, Any]]
"""A status and a body."""
Send = Callable[[bytes], None]
Script = Callable[["Connection"], None]


class Connection:
    """One request for the stream."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.handler = handler
        self._compress: Any = None

    def refuse(
        self, status: int, headers: dict[str, str] | None = None, problem: dict[str, Any] | None = None
    ) -> None:
        body = json.dumps(problem or {"title": "Refused", "detail": f"status {status}"}).encode()
        self.handler.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Connection": "close"} | (headers or {})
        ).items():
            self.handler.send_header(name, value)
        self.handler.send_header("Content-Length", str(len(body)))
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def accept(self) -> None:
        self.handler.send_response(200)
        self.handler.send_header("Transfer-Encoding", "chunked")
        if "gzip" in self.handler.headers.get("Accept-Encoding", ""):
            self._compress = zlib.compressobj(wbits=31)
            self.handler.send_header("Content-Encoding", "gzip")
        self.handler.end_headers()

    def send(self, data: bytes) -> None:
        if self._compress:
            data = self._compress.compress(data) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        self._chunk(data)

    def end(self) -> None:
        if self._compress:
            self._chunk(self._compress.flush())
        self.handler.wfile.write(b"0\r\n\r\n")

    def break_off(self) -> None:
        self.handler.connection.shutdown(2)

    def wait_for_close(self) -> None:
        """Until the client has closed; then `closed` of the server is set."""
        self.handler.connection.settimeout(30)
        try:
            closed = self.handler.rfile.read(1) == b""
        except ConnectionResetError:
            closed = True
        if closed:
            self.handler.server.closed.set()  # type: ignore[attr-defined]

    def _chunk(self, data: bytes) -> None:
        if data:
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.handler.wfile.flush()


class FakeX(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, scripts: list[Script]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripts = scripts
        self.rules: list[dict[str, str]] = []
        self.connections = 0
        self.queries: list[str] = []
        self.closed = threading.Event()
        self.errors: list[dict[str, Any]] = []
        self.ids = 1000
        self.changes: list[str] = []
        self.dry_runs = 0
        self.asked: list[dict[str, str]] = []
        self.search: Callable[[dict[str, str]], Answer] = lambda _query: (200, {"meta": {"result_count": 0}})
        self.counts: Callable[[dict[str, str]], Answer] = lambda _query: (403, {"detail": "no counts"})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeX

    def do_GET(self) -> None:
        if not self._authorized():
            return
        if self.path.startswith("/2/tweets/search/stream/rules"):
            self._json(200, {"data": self.server.rules, "meta": {}})
            return
        for path, answer in (("search", self.server.search), ("counts", self.server.counts)):
            if self.path.startswith(f"/2/tweets/{path}/recent"):
                query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
                self.server.asked.append(query)
                self._json(*answer(query))
                return
        number = self.server.connections
        self.server.connections += 1
        self.server.queries.append(self.path)
        self.close_connection = True
        self.server.scripts[min(number, len(self.server.scripts) - 1)](Connection(self))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._authorized():
            return
        if self.server.errors and "add" in body:
            self._json(201, {"errors": self.server.errors, "meta": {}})
            return
        there = {rule["value"]: rule for rule in self.server.rules}
        for rule in body.get("add", ()):
            if rule["value"] in there:
                duplicate = {
                    "title": "DuplicateRule",
                    "value": rule["value"],
                    "id": there[rule["value"]]["id"],
                }
                self._json(201, {"errors": [duplicate], "meta": {}})
                return
        if "dry_run=" in self.path:
            self.server.dry_runs += 1
            self._json(201, {"data": [], "meta": {}})
            return
        self.server.changes.extend(["add" for _ in body.get("add", ())])
        self.server.changes.extend(["delete" for _ in body.get("delete", {}).get("ids", ())])
        for rule in body.get("add", ()):
            self.server.ids += 1
            self.server.rules.append(rule | {"id": str(self.server.ids)})
        gone = body.get("delete", {}).get("ids", ())
        self.server.rules = [rule for rule in self.server.rules if rule["id"] not in gone]
        self._json(201, {"data": self.server.rules, "meta": {}})

    def _authorized(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {BEARER}":
            return True
        self._json(401, {"title": "Unauthorized", "status": 401, "detail": "Unauthorized"})
        return False

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Not in the tests' output."""


@contextmanager
def serving(*scripts: Script) -> Iterator[FakeX]:
    """A server whose n-th connection runs the n-th script; the last one runs for all further ones."""
    server = FakeX(list(scripts))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
