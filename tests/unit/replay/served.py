"""A citypulse-replay process for a test, and the little HTTP that tests speak to it."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from citypulse.replay.api import digest
from tests.processes import free_port

STREAM = "/2/tweets/search/stream"
RULES = STREAM + "/rules"
SEARCH = "/2/tweets/search/recent"
COUNTS = "/2/tweets/counts/recent"
FAULTS = "/control/faults"
PATIENCE = 60.0
"""Seconds after which a wait is given up, far beyond what any of them takes."""


class Served:
    """A running replay: `base` is its address, `tokens` what it accepts."""

    def __init__(self, port: int, tokens: list[str], process: subprocess.Popen[bytes]) -> None:
        self.port, self.tokens, self.process = port, tokens, process

    def open(
        self, method: str, path: str, body: Any = None, who: str | None = "", **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        if who is not None:
            headers["Authorization"] = f"Bearer {who or self.tokens[0]}"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, who: str | None = "") -> tuple[int, Any]:
        with self.open(method, path, body, who) as answer:
            return answer.status, json.loads(answer.read())

    def add_rules(self, *values: str, who: str = "") -> list[dict[str, str]]:
        rules = [{"value": value, "tag": f"tag {n}"} for n, value in enumerate(values)]
        status, body = self.ask("POST", RULES, {"add": rules}, who)
        assert status == 201, body
        return list(body["data"])

    def status(self) -> dict[str, Any]:
        return dict(self.ask("GET", "/status", who=None)[1])

    def arm(self, fault: str, **parameters: Any) -> int:
        """Arm a fault; its id."""
        status, body = self.ask("POST", FAULTS, {"fault": fault, **parameters}, who=None)
        assert status == 201, body
        return int(body["id"])

    def fault(self, number: int) -> dict[str, Any]:
        return dict(self.ask("GET", f"{FAULTS}/{number}", who=None)[1])

    def wait_until_past(self, number: int) -> dict[str, Any]:
        self.wait(lambda _: self.fault(number)["state"] == "past", f"fault {number} is past")
        return self.fault(number)

    def wait_until_done(self) -> None:
        """Wait until all that was played is sent and recorded."""
        self.wait(lambda status: status["state"] == "done", "the source has ended")

    def wait(self, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while not holds(status := self.status()):
            assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain until {what}: {status}"
            time.sleep(0.02)
        return status


def of(token: str) -> dict[str, str]:
    """The parameter by which a fault names a token."""
    return {"token": digest(token)}


def lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The lines of a stream without their CRLF, empty ones (keep-alives) included."""
    while line := answer.readline():
        assert line.endswith(b"\r\n"), line
        yield line[:-2]


def rest(answer: http.client.HTTPResponse) -> tuple[list[bytes], str]:
    """All that still comes of a stream: its lines that are not empty, the last perhaps in part, and how it
    ended: `closed` cleanly, `reset`, or `silent` where the client's own time-out was reached.
    """
    found: list[bytes] = []
    try:
        while line := answer.readline():
            found.append(line)
        ended = "closed"
    except ConnectionResetError:
        ended = "reset"
    except TimeoutError:
        ended = "silent"
    return [line for line in found if line != b"\r\n"], ended


def texts(found: list[bytes]) -> list[str]:
    """What the messages of these lines say."""
    return [json.loads(line)["data"]["text"] for line in found]


def truth(path: Path) -> list[dict[str, Any]]:
    """The lines of a truth file, or of what is beside it, without a header."""
    written = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in written if "message" in line]


def undelivered(path: Path) -> list[dict[str, Any]]:
    """The lines beside a truth file."""
    return truth(path.with_name(path.name + ".undelivered"))


def numbered(count: int) -> list[dict[str, Any]]:
    """Stored pages `tweet 0` and on, a second apart."""
    return [tweet(n, created=f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000Z") for n in range(count)]


def said(lines: list[dict[str, Any]]) -> list[str]:
    """What the messages of truth lines say."""
    return [line["message"]["data"]["text"] for line in lines]


def messages(answer: http.client.HTTPResponse, count: int) -> list[dict[str, Any]]:
    """The next `count` messages of a stream."""
    found: list[dict[str, Any]] = []
    for line in lines(answer):
        if line:
            found.append(json.loads(line))
        if len(found) == count:
            return found
    raise AssertionError(f"the stream ended after {len(found)} of {count} messages")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "citypulse.replay", *map(str, arguments)]


@contextmanager
def serving(
    directory: Path,
    *arguments: str | Path,
    tokens: list[str] | None = None,
    under: tuple[str, ...] = (),
    exit_code: int = 0,
) -> Iterator[Served]:
    """Serve until the block ends, as a child of the command `under`.

    Fails with the service's log where it does not come up, or ends with another exit code.
    """
    tokens = tokens or ["first-token"]
    (directory / "tokens").write_text("\n".join(tokens))
    port, log = free_port(), directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *under,
                *command("serve", "--port", str(port), "--token-file", directory / "tokens", *arguments),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    served = Served(port, tokens, process)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _up(port):
            assert process.poll() is None, f"replay ended with {process.returncode}: {log.read_text()}"
            assert time.monotonic() < deadline, (
                f"replay did not come up in {PATIENCE:.0f} s: {log.read_text()}"
            )
            time.sleep(0.05)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
        assert process.wait(PATIENCE) == exit_code, log.read_text()


def _up(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tweet(
    number: int, *, country: str = "CA", created: str = "2026-01-01T00:00:00.000Z", **fields: Any
) -> dict[str, Any]:
    """A stored page of one located tweet."""
    place = {
        "id": f"place {country}",
        "full_name": f"Town, {country}",
        "name": "Town",
        "country_code": country,
    }
    data = {
        "id": str(1_000_000_000_000_000_000 + number),
        "text": f"tweet {number}",
        "author_id": "7",
        "created_at": created,
        "geo": {"place_id": place["id"]},
        **fields,
    }
    return {
        "data": data,
        "includes": {"places": [place], "users": [{"id": "7", "name": "Ada", "username": "ada"}]},
    }


def stored(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path
