"""Answers and lines that no X should send, and some proxy does, end neither the stream nor the process."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from citypulse.producer.config import X
from citypulse.producer.stream import client as clients
from citypulse.producer.stream import search
from citypulse.producer.stream.client import BrokenError, HttpError, XClient

from .fake_x import Connection, serving
from .streams import Running, sends, settings_for

GOOD = b'{"data":{"id":"1850000000000000000"},"matching_rules":[]}'


@pytest.mark.parametrize(
    "line",
    [
        b'{"title":"\xff","type":"x"}',
        b'{"errors":[{"title":"\xc3"}]}',
        b'{"\xff":1}',
        b"\xff\xfe\x00",
    ],
)
def test_a_line_that_is_no_utf8_costs_no_message_beside_it(tmp_path: Path, line: bytes) -> None:
    with serving(sends(GOOD + b"\r\n" + line + b"\r\n" + GOOD + b"\r\n")) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: running.journal.payloads.count(GOOD) == 2, "what came beside it")
        running.stop()
    assert running.error is None
    assert [payload for payload in running.journal.payloads if payload == GOOD] == [GOOD, GOOD]


def test_a_line_that_does_not_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MAX_LINE_BYTES", 1000)

    def endless(connection: Connection) -> None:
        connection.accept()
        try:
            while True:
                connection.send(b"x" * 100)
        except OSError:
            return

    with serving(endless, sends(GOOD + b"\r\n")) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "the next connection")
        running.stop()
    assert running.journal.payloads == [GOOD]


Answering = Callable[[socket.socket], None]


def one_answer(status: str, body: bytes) -> Answering:
    def answer(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


class Answers:
    """A server that answers everything with the same bytes."""

    def __init__(self, answer: Answering) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        threading.Thread(target=self._run, daemon=True).start()

    def x(self, **settings: float) -> X:
        return X(base_url=f"http://127.0.0.1:{self._server.getsockname()[1]}", **settings)

    def close(self) -> None:
        self._server.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                self._answer(connection)


BODIES = (
    b"[]",
    b"5",
    b"null",
    b'{"errors":null}',
    b'{"errors":[5]}',
    b'{"errors":{"a":1}}',
    b'{"detail":{"a":1}}',
    b'{"title":"\xff"}',
    b'{"data":[{"id":"1"}]}',
    b'{"data":[5]}',
    b'{"data":5}',
    b"<html>",
    b"\xff",
)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests", "503 Service Unavailable"])
def test_an_answer_of_any_shape_is_an_answer_or_a_reason_to_try_again(status: str, body: bytes) -> None:
    server = Answers(one_answer(status, body))
    try:
        client = XClient(server.x(), "token")
        try:
            client.rules()
        except (BrokenError, HttpError):
            pass
        else:
            assert status == "200 OK"
        if status != "200 OK":
            with pytest.raises(HttpError):
                list(client.lines(lambda: None))
    finally:
        server.close()


def test_a_page_of_search_that_is_no_utf8_is_said_to_be_unreadable() -> None:
    with pytest.raises(msgspec.DecodeError):
        search.page(b'{"meta":{"next_token":"\xff"}}')


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable"])
def test_an_answer_that_trickles_is_given_up(status: str) -> None:
    given_up = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n".encode())
        while not given_up.is_set():
            try:
                connection.sendall(b" ")
            except OSError:
                return
            given_up.wait(0.05)

    server = Answers(trickle)
    try:
        with pytest.raises(BrokenError, match=r"within 0\.6 s"):
            XClient(server.x(connect_seconds=0.3, stall_seconds=0.3), "token").rules()
    finally:
        given_up.set()
        server.close()
