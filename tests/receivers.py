"""Who is told of alerts, as a test has them: a webhook, and a server that takes mail."""

from __future__ import annotations

import base64
import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


class Webhook(ThreadingHTTPServer):
    """Keeps what is posted to it."""

    daemon_threads = True

    def __init__(self, token: str) -> None:
        self.notices: list[dict[str, Any]] = []
        """The bodies, in the order in which they came."""
        self.token = token
        super().__init__(("127.0.0.1", 0), _Post)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/notices"


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        webhook = cast(Webhook, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.headers["Authorization"] == f"Bearer {webhook.token}"
        if known:
            webhook.notices.append(json.loads(body))
        self.send_response(200 if known else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tell nobody."""


class Mailbox(socketserver.ThreadingTCPServer):
    """Keeps what is mailed to it by whoever signs in with PLAIN."""

    daemon_threads = True

    def __init__(self, user: str, password: str) -> None:
        self.mails: list[EmailMessage] = []
        """In the order in which they came."""
        self.signed = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def smarthost(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs that pipelines nothing."""

    def handle(self) -> None:
        mailbox = cast(Mailbox, self.server)
        signed_in = False
        self._say("220 mailbox")
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say("250-mailbox", "250 AUTH PLAIN")
                case "AUTH":
                    signed_in = rest == f"PLAIN {mailbox.signed}"
                    self._say("235 welcome" if signed_in else "535 unknown")
                case "MAIL" | "RCPT" if not signed_in:
                    self._say("530 sign in first")
                case "DATA":
                    self._say("354 go on")
                    mailbox.mails.append(self._mail())
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 well")

    def _mail(self) -> EmailMessage:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return cast(EmailMessage, message_from_bytes(b"".join(lines), policy=policy.default))

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


@contextlib.contextmanager
def listening(*servers: socketserver.BaseServer) -> Iterator[None]:
    """Have them serve while the block runs."""
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
