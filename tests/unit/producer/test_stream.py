"""The stream survives what X and networks do, hands every message on as it is, and never storms."""

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from citypulse.producer import metrics
from citypulse.producer.config import Config, Feed, Journal, X
from citypulse.producer.errors import RefusedError
from citypulse.producer.stream import streaming
from citypulse.producer.stream.client import BrokenError, HttpError, StalledError, XClient
from citypulse.producer.stream.rules import Rule, configured

from .fake_x import BEARER, Connection, FakeX, serving

FEEDS = (Feed("all", ("CA",)),)
DEADLINE = 30.0


def settings_for(server: FakeX, **more: float | bool) -> X:
    quick = {
        "network_step_seconds": 0.01,
        "network_max_seconds": 0.02,
        "http_first_seconds": 0.01,
        "http_max_seconds": 0.02,
        "rate_limit_first_seconds": 0.01,
    }
    return X(base_url=server.url, **{**quick, **more})  # type: ignore[arg-type]


class Journaled:
    """Stands where the committer stands."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def put(self, at: int, payloads: list[bytes], stopping: Callable[[], bool]) -> None:
        assert abs(at / 1000 - time.time()) < 3600
        self.payloads += payloads


class Running:
    """`streaming.run` in a thread."""

    def __init__(self, x: X, token: str = BEARER, feeds: tuple[Feed, ...] = FEEDS) -> None:
        self.config = Config(x=x, feeds=feeds, journal=Journal("j"))
        self.journal = Journaled()
        self.client = XClient(x, token)
        self.stopping = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            streaming.run(self.config, configured(self.config), self.client, self.journal, self.stopping)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - a test looks at it
            self.error = error

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, (
                f"{what} did not happen within {DEADLINE:g} s: {self.journal.payloads}"
            )
            time.sleep(0.005)

    def stop(self) -> None:
        self.stopping.set()
        self.client.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the stream did not stop"


def reconnects(cause: str) -> float:
    registry: CollectorRegistry = metrics.registry
    return registry.get_sample_value("citypulse_producer_reconnects_total", {"cause": cause}) or 0.0


def sends(*lines: bytes) -> Callable[[Connection], None]:
    def script(connection: Connection) -> None:
        connection.accept()
        for line in lines:
            connection.send(line)
        connection.wait_for_close()

    return script


def test_messages_are_handed_on_byte_for_byte_and_keep_alives_are_not() -> None:
    first, second = '{"data":{"text":"Montréal \\n 🙂"}}'.encode(), b'{"data": {"id":"2"} }'
    with serving(sends(first + b"\r\n\r\n\r\n" + second[:5], second[5:] + b"\r", b"\n\r\n")) as server:
        running = Running(settings_for(server))
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


def test_the_stream_asks_for_what_an_event_needs() -> None:
    with serving(sends(b"{}\r\n")) as server:
        running = Running(settings_for(server))
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


def test_a_line_that_is_no_json_does_not_end_the_stream() -> None:
    with serving(sends(b"{not json\r\n", b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(settings_for(server))
        running.until(lambda: len(running.journal.payloads) == 2, "both lines")
        running.stop()
        assert server.connections == 1


def test_an_error_within_the_stream_is_counted_and_is_no_message() -> None:
    title = "operational-disconnect"
    line = b'{"errors":[{"title":"%s","detail":"bye"}]}\r\n' % title.encode()
    partial = b'{"errors":[{"title":"Not Found Error"}],"data":{"id":"1"}}'
    with serving(sends(line, partial + b"\r\n")) as server:
        running = Running(settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "the message with partial errors")
        running.stop()
    assert running.journal.payloads == [partial]
    assert metrics.registry.get_sample_value("citypulse_producer_stream_errors_total", {"title": title}) == 1


def close_at_once(connection: Connection) -> None:
    connection.accept()
    connection.end()


def break_in_the_middle(connection: Connection) -> None:
    connection.accept()
    connection.send(b'{"data":{"id":"1"}}\r\n{"data":{"id"')
    connection.break_off()


@pytest.mark.parametrize("script", [close_at_once, break_in_the_middle])
def test_a_connection_that_ends_is_made_again_and_half_a_message_is_none(
    script: Callable[[Connection], None],
) -> None:
    with serving(script, sends(b'{"data":{"id":"2"}}\r\n')) as server:
        running = Running(settings_for(server))
        running.until(
            lambda: b'{"data":{"id":"2"}}' in running.journal.payloads, "the second connection's message"
        )
        running.stop()
        assert server.connections == 2
        assert set(running.journal.payloads) <= {b'{"data":{"id":"1"}}', b'{"data":{"id":"2"}}'}


def test_a_server_that_closes_at_once_is_not_stormed() -> None:
    with serving(close_at_once) as server:
        running = Running(settings_for(server, network_step_seconds=0.25, network_max_seconds=16.0))
        time.sleep(1.6)
        running.stop()
        # After 0, 0.25, 0.75 and 1.5 s: never more, however fast the machine is.
        assert 1 <= server.connections <= 4


def test_silence_is_a_stall_and_ends_in_a_new_connection() -> None:
    before = reconnects("stalled")
    with serving(sends(), sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(settings_for(server, stall_seconds=0.3))
        running.until(lambda: bool(running.journal.payloads), "the second connection's message")
        running.stop()
    assert reconnects("stalled") > before


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_http_error_is_waited_out(status: int) -> None:
    before = reconnects(f"http_{status}")
    with serving(lambda c: c.refuse(status), sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message after the error")
        running.stop()
    assert reconnects(f"http_{status}") == before + 1


def test_when_there_are_no_rules_they_are_made_again() -> None:
    def no_rules(connection: Connection) -> None:
        server.rules.clear()
        connection.refuse(409)

    with serving(no_rules, sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message after the rules were made")
        running.stop()
        assert [rule["value"] for rule in server.rules] == ["place_country:CA"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_ends_the_stream_in_one_sentence(status: int) -> None:
    with serving(lambda c: c.refuse(status)) as server:
        running = Running(settings_for(server))
        running.thread.join(DEADLINE)
    assert isinstance(running.error, RefusedError)
    assert running.error.exit_code == 3
    assert str(status) in str(running.error)
    assert "\n" not in str(running.error)


def test_a_wrong_token_is_refused_before_the_stream() -> None:
    with serving(sends()) as server:
        running = Running(settings_for(server), "wrong")
        running.thread.join(DEADLINE)
        assert server.connections == 0
    assert isinstance(running.error, RefusedError)
    assert "wrong" not in str(running.error)


def test_a_stop_closes_the_connection_that_waits_for_data() -> None:
    with serving(sends(b'{"data":{"id":"1"}}\r\n')) as server:
        running = Running(settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "a message")
        running.stop()
        assert server.closed.wait(DEADLINE), "X did not see the connection closed"
    assert running.error is None


def test_rules_become_what_is_wanted_and_those_of_others_stay() -> None:
    with serving(sends()) as server:
        server.rules = [
            {"id": "1", "value": "cats", "tag": "mine"},
            {"id": "2", "value": "dogs"},
            {"id": "3", "value": "place_country:GB", "tag": "citypulse/main/all/1"},
            {"id": "4", "value": "place_country:FR", "tag": "citypulse/other/all/1"},
        ]
        client = XClient(settings_for(server), BEARER)
        wanted = [Rule("citypulse/main/all/1", "place_country:CA", frozenset({"CA"}))]
        streaming.bring_rules(client, wanted, "main")
        assert [(rule["value"], rule.get("tag")) for rule in server.rules] == [
            ("cats", "mine"),
            ("dogs", None),
            ("place_country:FR", "citypulse/other/all/1"),
            ("place_country:CA", "citypulse/main/all/1"),
        ]
        before = list(server.rules)
        streaming.bring_rules(client, wanted, "main")
        assert server.rules == before


def test_a_rule_that_x_does_not_take_is_said() -> None:
    with serving(sends()) as server:
        server.errors = [
            {"title": "Invalid Rule", "value": "place_country:CA", "details": ["no such operator"]}
        ]
        client = XClient(settings_for(server), BEARER)
        with pytest.raises(RefusedError, match=r"place_country:CA.*no such operator"):
            streaming.bring_rules(client, configured(Config(feeds=FEEDS, journal=Journal("j"))), "main")


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
