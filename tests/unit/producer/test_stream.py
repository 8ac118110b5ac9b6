"""The stream hands on every message as it is, whatever X and the network do to its bytes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.producer.config import X
from citypulse.producer.stream.client import BrokenError, HttpError, StalledError, XClient

from .fake_x import BEARER, Connection, serving
from .streams import (
    DEADLINE,
    Running,
    sends,
    settings_for,
)


def test_messages_are_handed_on_byte_for_byte_and_keep_alives_are_not(tmp_path: Path) -> None:
    first, second = '{"data":{"text":"Montréal \\n 🙂"}}'.encode(), b'{"data": {"id":"2"} }'
    with serving(sends(first + b"\r\n\r\n\r\n" + second[:5], second[5:] + b"\r", b"\n\r\n")) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: len(running.journal.payloads) == 2, "two messages")
        running.stop()
        assert running.journal.payloads == [first, second]


@given(
    st.lists(
        st.binary(min_size=1, max_size=30).filter(lambda line: not set(line) & set(b"\r\n")), max_size=20
    ),
    st.lists(st.integers(1, 40), max_size=30),
    st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_however_the_bytes_are_cut_the_same_lines_arrive(
    lines: list[bytes], cuts: list[int], gzip: bool
) -> None:
    data = b"".join(line + b"\r\n" for line in lines)

    def script(connection: Connection) -> None:
        connection.accept()
        rest = data
        for cut in cuts:
            connection.send(rest[:cut])
            rest = rest[cut:]
        connection.send(rest)
        connection.end()

    with serving(script) as server:
        client = XClient(settings_for(server, gzip=gzip), BEARER)
        got = [line for group in client.lines(lambda: None) for line in group if line]
    assert got == lines


def test_the_stream_asks_for_what_an_event_needs(tmp_path: Path) -> None:
    with serving(sends(b"{}\r\n")) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message")
        running.stop()
        (query,) = server.queries
    for field in (
        "edit_history_tweet_ids",
        "created_at",
        "author_id",
        "referenced_tweets",
        "country_code",
        "geo.place_id",
    ):
        assert field in query


def test_a_line_that_is_no_json_does_not_end_the_stream(tmp_path: Path) -> None:
    with serving(sends(b"{not json\r\n", b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: len(running.journal.payloads) == 2, "both lines")
        running.stop()
        assert server.connections == 1


def test_a_stop_closes_the_connection_that_waits_for_data(tmp_path: Path) -> None:
    with serving(sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message")
        running.stop()
        assert server.closed.wait(DEADLINE), "X did not see the connection closed"
    assert running.error is None


def test_a_server_that_is_not_there_is_a_broken_connection() -> None:
    client = XClient(X(base_url="http://127.0.0.1:9", connect_seconds=1), BEARER)
    with pytest.raises(BrokenError, match="refused"):
        client.rules()
    with pytest.raises(BrokenError, match="refused"):
        list(client.lines(lambda: None))


def test_what_went_wrong_is_told_apart() -> None:
    with serving(lambda c: c.refuse(503), sends()) as server:
        client = XClient(settings_for(server, stall_seconds=0.2), BEARER)
        with pytest.raises(HttpError, match="503"):
            list(client.lines(lambda: None))
        with pytest.raises(StalledError):
            list(client.lines(lambda: None))
