"""The stream survives the ways in which a connection ends, tells them apart, and never storms."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from citypulse.producer.config import X
from citypulse.producer.errors import RefusedError

from .fake_x import TOO_MANY_CONNECTIONS, USAGE_CAPPED, Connection, serving
from .streams import (
    DEADLINE,
    Running,
    break_in_the_middle,
    close_at_once,
    reconnects,
    refuses,
    sends,
    settings_for,
    stream_errors,
)


def test_an_error_about_part_of_a_post_is_counted_and_the_post_is_kept(tmp_path: Path) -> None:
    partial = b'{"errors":[{"title":"Not Found Error"}],"data":{"id":"1"}}'
    before = stream_errors("Not Found Error")
    with serving(sends(partial + b"\r\n")) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "the message with partial errors")
        running.stop()
    assert running.journal.payloads == [partial]
    assert stream_errors("Not Found Error") == before + 1


PROBLEMS = "https://api.twitter.com/2/problems/"


@pytest.mark.parametrize(
    ("problem", "kind", "cause", "seconds"),
    [
        (
            {"title": "operational-disconnect", "disconnect_type": "OperationalDisconnect"}
            | {"type": PROBLEMS + "operational-disconnect"},
            "operational-disconnect",
            "operational_disconnect",
            0.25,
        ),
        (
            {"title": "operational-disconnect", "disconnect_type": "UpstreamUncleanDisconnect"}
            | {"type": PROBLEMS + "operational-disconnect"},
            "operational-disconnect",
            "operational_disconnect",
            0.25,
        ),
        (
            {"title": "operational-disconnect", "disconnect_type": "SlowReader"}
            | {"type": PROBLEMS + "operational-disconnect"},
            "operational-disconnect",
            "slow_reader",
            0.25,
        ),
        (USAGE_CAPPED, "usage-capped", "usage_capped", 300),
        (TOO_MANY_CONNECTIONS, "streaming-connection", "too_many_connections", 30),
        (
            {"title": "ConnectionException", "connection_issue": "RulesInvalidIssue"}
            | {"type": PROBLEMS + "streaming-connection"},
            "streaming-connection",
            "invalid_rules",
            0.25,
        ),
    ],
)
def test_an_error_that_ends_the_stream_has_its_own_cause_and_patience(
    tmp_path: Path, problem: dict[str, str], kind: str, cause: str, seconds: float
) -> None:
    first, last = b'{"data":{"id":"1"}}', b'{"data":{"id":"2"}}'
    error = json.dumps({"errors": [problem]}).encode()
    before, errors = reconnects(cause), stream_errors(kind)
    slept: list[float] = []
    with serving(
        sends(first + b"\r\n" + error + b"\r\n" + last + b"\r\n"), sends(b'{"data":{"id":"3"}}\r\n')
    ) as server:
        running = Running(tmp_path, X(base_url=server.url), sleep=slept.append)
        running.until(lambda: len(running.journal.payloads) == 3, "the second connection's message")
        running.stop()
        assert server.closed.is_set(), "the connection was not ended cleanly"
    assert running.journal.payloads[:2] == [first, last]
    assert slept[0] == seconds
    assert (reconnects(cause), stream_errors(kind)) == (before + 1, errors + 1)
    assert running.book.gaps()[0].cause == cause


def test_an_error_of_an_unknown_kind_is_counted_and_the_stream_goes_on(tmp_path: Path) -> None:
    before = stream_errors("brand-new")
    line = b'{"errors":[{"title":"New","type":"https://api.twitter.com/2/problems/brand-new"}]}\r\n'
    with serving(sends(line + b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "the message after it")
        running.stop()
        assert server.connections == 1
    assert stream_errors("brand-new") == before + 1


@pytest.mark.parametrize("script", [close_at_once, break_in_the_middle])
def test_a_connection_that_ends_is_made_again_and_half_a_message_is_none(
    tmp_path: Path,
    script: Callable[[Connection], None],
) -> None:
    with serving(script, sends(b'{"data":{"id":"2"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(
            lambda: b'{"data":{"id":"2"}}' in running.journal.payloads, "the second connection's message"
        )
        running.stop()
        assert server.connections == 2
        assert set(running.journal.payloads) <= {b'{"data":{"id":"1"}}', b'{"data":{"id":"2"}}'}


def test_a_server_that_closes_at_once_is_not_stormed(tmp_path: Path) -> None:
    with serving(close_at_once) as server:
        running = Running(tmp_path, settings_for(server, network_step_seconds=0.25, network_max_seconds=16.0))
        time.sleep(1.6)
        running.stop()
        # After 0, 0.25, 0.75 and 1.5 s: never more, however fast the machine is.
        assert 1 <= server.connections <= 4


def test_silence_is_a_stall_and_ends_in_a_new_connection(tmp_path: Path) -> None:
    before = reconnects("stalled")
    with serving(sends(), sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server, stall_seconds=0.3))
        running.until(lambda: bool(running.journal.payloads), "the second connection's message")
        running.stop()
    assert reconnects("stalled") > before


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_http_error_is_waited_out(tmp_path: Path, status: int) -> None:
    before = reconnects(f"http_{status}")
    with serving(lambda c: c.refuse(status), sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message after the error")
        running.stop()
    assert reconnects(f"http_{status}") == before + 1


def test_every_wait_is_the_one_that_x_asks_for(tmp_path: Path) -> None:
    slept: list[float] = []
    reset = int(time.time()) + 500
    before = {cause: reconnects(cause) for cause in ("http_429", "too_many_connections", "usage_capped")}
    with serving(
        refuses(503),
        refuses(500),
        refuses(429, x_rate_limit_remaining="49", x_rate_limit_reset=str(reset)),
        refuses(429, TOO_MANY_CONNECTIONS, x_rate_limit_remaining="48"),
        refuses(429, TOO_MANY_CONNECTIONS, x_rate_limit_remaining="47"),
        refuses(429, USAGE_CAPPED, x_rate_limit_remaining="46"),
        refuses(429, USAGE_CAPPED, x_rate_limit_remaining="45"),
        refuses(429, x_rate_limit_remaining="0", x_rate_limit_reset=str(reset)),
        break_in_the_middle,
        close_at_once,
        sends(b'{"data":{"id":"2"}}\r\n'),
    ) as server:
        running = Running(tmp_path, X(base_url=server.url), sleep=slept.append)
        running.until(lambda: b'{"data":{"id":"2"}}' in running.journal.payloads, "the last message")
        running.stop()
    assert slept[:7] == [5, 10, 60, 30, 60, 300, 600]
    assert 0 < slept[7] <= 500
    assert slept[8:10] == [0.25, 0.5]
    after = {cause: reconnects(cause) - count for cause, count in before.items()}
    assert after == {"http_429": 2, "too_many_connections": 2, "usage_capped": 2}


def test_when_there_are_no_rules_they_are_made_again(tmp_path: Path) -> None:
    def no_rules(connection: Connection) -> None:
        server.rules.clear()
        connection.refuse(409)

    with serving(no_rules, sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message after the rules were made")
        running.stop()
        assert [rule["value"] for rule in server.rules] == ["place_country:CA"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_ends_the_stream_in_one_sentence(tmp_path: Path, status: int) -> None:
    with serving(lambda c: c.refuse(status)) as server:
        running = Running(tmp_path, settings_for(server))
        running.thread.join(DEADLINE)
    assert isinstance(running.error, RefusedError)
    assert running.error.exit_code == 3
    assert str(status) in str(running.error)
    assert "\n" not in str(running.error)


def test_a_wrong_token_is_refused_before_the_stream(tmp_path: Path) -> None:
    with serving(sends()) as server:
        running = Running(tmp_path, settings_for(server), "wrong")
        running.thread.join(DEADLINE)
        assert server.connections == 0
    assert isinstance(running.error, RefusedError)
    assert "wrong" not in str(running.error)


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_a_connection_ends_that_was_still_being_made_when_its_end_was_asked_for(
    tmp_path: Path, how: str
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def hesitates(connection: Connection) -> None:
        asked.set()
        ended.wait(DEADLINE)
        sends()(connection)

    with serving(hesitates, sends(b'{"data":{"id":"2"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server, stall_seconds=600))
        assert asked.wait(DEADLINE)
        if how == "close":
            running.stopping.set()
            running.client.close()
        else:
            running.client.interrupt()
        ended.set()
        if how == "interrupt":
            running.until(lambda: bool(running.journal.payloads), "the next connection")
        running.stop()
    assert running.error is None
