"""An unmodified tweepy client streams from replay.

tweepy's host is hard-coded. So replay serves TLS with a certificate for that host, made for this test, and
the client process is told by its environment alone, as any client behind a company's proxy would be, to use a
proxy that leads to replay and to trust that certificate. Nothing in tweepy is subclassed in what it does,
patched or configured.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .served import serving, stored, tweet

HOST = "api.twitter.com"
CLIENT = """
import json, tweepy

class Client(tweepy.StreamingClient):
    seen = []
    def on_response(self, response):
        place, rule = response.includes["places"][0], response.matching_rules[0]
        self.seen.append([response.data.text, place.full_name, rule.tag])
        if len(self.seen) == 2:
            self.disconnect()

client = Client("first-token", max_retries=0)
added = client.add_rules([tweepy.StreamRule("place_country:CA", "canada"), tweepy.StreamRule("lang:en")])
checked = client.add_rules(tweepy.StreamRule("cat"), dry_run=True)
listed = client.get_rules()
client.filter(tweet_fields=["geo"], expansions=["geo.place_id"])
deleted = client.delete_rules([rule.id for rule in listed.data])
print(json.dumps({
    "added": [[rule.value, rule.tag] for rule in added.data],
    "refused": [error["title"] for error in added.errors],
    "checked": checked.meta["summary"],
    "listed": [[rule.value, rule.tag] for rule in listed.data],
    "seen": client.seen,
    "deleted": deleted.meta["summary"],
    "left": client.get_rules().data,
}))
"""


@contextmanager
def proxy(to_port: int) -> Iterator[int]:
    """A proxy that knows CONNECT only, and leads every host to a local port. Its own port is yielded."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=tunnel, args=(client,), daemon=True).start()

    def tunnel(client: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += client.recv(4096)
        assert request.startswith(f"CONNECT {HOST}:443 ".encode()), request
        server = socket.create_connection(("127.0.0.1", to_port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed to make a certificate: apt-get install openssl"
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"),
            *("-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def test_an_unmodified_tweepy_client_streams_from_replay(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    file = stored(tmp_path / "tweets.json", tweet(1), tweet(2, country="GB"), tweet(3))
    arguments = ["--tweets", file, "--hold", "--tls-cert", cert, "--tls-key", key]
    with serving(tmp_path, *arguments) as served, proxy(served.port) as proxy_port:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy_port}",
            "REQUESTS_CA_BUNDLE": str(cert),
        }
        ran = subprocess.run(
            [sys.executable, "-c", CLIENT], env=environment, capture_output=True, text=True, timeout=120
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "added": [["place_country:CA", "canada"]],
        "refused": ["UnprocessableEntity"],
        "checked": {"created": 1, "not_created": 0, "valid": 1, "invalid": 0},
        "listed": [["place_country:CA", "canada"]],
        "seen": [["tweet 1", "Town, CA", "canada"], ["tweet 3", "Town, CA", "canada"]],
        "deleted": {"deleted": 1, "not_deleted": 0},
        "left": None,
    }


def test_tls_is_served_for_the_certificate_s_host_alone(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    file = stored(tmp_path / "tweets.json", tweet(1))
    context = ssl.create_default_context(cafile=cert)
    with serving(tmp_path, "--tweets", file, "--hold", "--tls-cert", cert, "--tls-key", key) as served:
        plain = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        with context.wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert secure.recv(4096).startswith(b"HTTP/1.0 200")
        other = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        with (
            pytest.raises(ssl.SSLCertVerificationError),
            context.wrap_socket(other, server_hostname="example.com"),
        ):
            pass
