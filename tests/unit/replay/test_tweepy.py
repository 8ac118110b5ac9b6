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
from typing import Any

import pytest

from .served import Served, numbered, serving, stored, tweet

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


FAULTY = """
import json, tweepy

class Client(tweepy.StreamingClient):
    seen = []
    def on_tweet(self, tweet):
        self.seen.append(["tweet", tweet.text])
    def on_errors(self, errors):
        self.seen.append(["errors", errors[0]["title"], errors[0].get("disconnect_type")])
    def on_closed(self, response):
        self.seen.append(["closed"])
    def on_request_error(self, status):
        self.seen.append(["refused", status])
        if status == 503:
            self.disconnect()

client = Client("first-token", max_retries=3)
client.network_error_wait_step = client.http_error_wait_start = client.http_420_error_wait_start = 0.1
client.add_rules(tweepy.StreamRule("place_country:CA", "canada"))
client.filter()
print(json.dumps(client.seen))
"""
RECENT = """
import json, tweepy

client = tweepy.Client("first-token")
query, fields = "tweet", {"expansions": ["geo.place_id"], "place_fields": ["country_code"]}
pages = list(tweepy.Paginator(client.search_recent_tweets, query, max_results=10, **fields))
counts = client.get_recent_tweets_count(query, granularity="day")
print(json.dumps({
    "found": [tweet.text for page in pages for tweet in page.data],
    "pages": [page.meta["result_count"] for page in pages],
    "countries": sorted({place.country_code for page in pages for place in page.includes["places"]}),
    "counted": sum(day["tweet_count"] for day in counts.data),
    "total": counts.meta["total_tweet_count"],
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


def ran(client: str, served: Served, cert: Path) -> Any:
    """What a client program, run in a process of its own, prints."""
    with proxy(served.port) as proxy_port:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy_port}",
            "REQUESTS_CA_BUNDLE": str(cert),
        }
        process = subprocess.run(
            [sys.executable, "-c", client], env=environment, capture_output=True, text=True, timeout=120
        )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_an_unmodified_tweepy_client_streams_from_replay(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    file = stored(tmp_path / "tweets.json", tweet(1), tweet(2, country="GB"), tweet(3))
    arguments = ["--tweets", file, "--hold", "--tls-cert", cert, "--tls-key", key]
    with serving(tmp_path, *arguments) as served:
        assert ran(CLIENT, served, cert) == {
            "added": [["place_country:CA", "canada"]],
            "refused": ["UnprocessableEntity"],
            "checked": {"created": 1, "not_created": 0, "valid": 1, "invalid": 0},
            "listed": [["place_country:CA", "canada"]],
            "seen": [["tweet 1", "Town, CA", "canada"], ["tweet 3", "Town, CA", "canada"]],
            "deleted": {"deleted": 1, "not_deleted": 0},
            "left": None,
        }


def test_tweepy_meets_x_s_faults_in_the_order_of_the_script(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    file, script = stored(tmp_path / "tweets.json", *numbered(6)), tmp_path / "faults.toml"
    script.write_text(
        """
        [[fault]]
        at_message = 0
        fault = "error_in_stream"
        after_messages = 2

        [[fault]]
        at_message = 0
        fault = "disconnect"
        after_messages = 4
        every = 1
        count = 2

        [[fault]]
        at_message = 5
        fault = "unavailable"
        """
    )
    arguments = ["--tweets", file, "--rate", "10", "--hold", "--script", script]
    with serving(tmp_path, *arguments, "--tls-cert", cert, "--tls-key", key) as served:
        assert ran(FAULTY, served, cert) == [
            *(["tweet", f"tweet {n}"] for n in (0, 1)),
            ["errors", "operational-disconnect", "UpstreamOperationalDisconnect"],
            ["closed"],
            *(["tweet", f"tweet {n}"] for n in (2, 3)),
            ["closed"],
            ["tweet", "tweet 4"],
            ["closed"],
            ["refused", 503],
        ]


def test_tweepy_searches_and_counts(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    config = tmp_path / "replay.toml"
    config.write_text("[account]\nsearch = true\nsearch_delay_seconds = 0\n")
    tweets = stored(tmp_path / "tweets.json", *numbered(25))
    arguments = ["--config", config, "--tweets", tweets, "--shift", "now", "--speed", "0"]
    with serving(tmp_path, *arguments, "--tls-cert", cert, "--tls-key", key) as served:
        answers = ran(RECENT, served, cert)
    assert answers == {
        "found": [f"tweet {n}" for n in range(24, -1, -1)],
        "pages": [10, 10, 5],
        "countries": ["CA"],
        "counted": 25,
        "total": 25,
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
