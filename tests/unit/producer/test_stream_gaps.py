"""What a stream did not bring is a gap: recorded before it goes on, and filled where X sends it again."""

import re
import threading
import time
from pathlib import Path

import pytest

from citypulse.producer import metrics
from citypulse.producer.config import Spend
from citypulse.producer.errors import RefusedError
from citypulse.producer.gaps.file import GapFile
from citypulse.producer.journal import files

from .fake_x import Connection, serving
from .streams import (
    DEADLINE,
    Running,
    break_in_the_middle,
    reconnects,
    refuses,
    sends,
    settings_for,
)


def test_a_stretch_without_a_connection_is_a_gap_with_its_cause(tmp_path: Path) -> None:
    with serving(break_in_the_middle, refuses(503), sends(b'{"data":{"id":"2"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: len(running.journal.payloads) >= 1 and server.connections == 3, "a message")
        running.until(lambda: all(gap.end for gap in running.book.gaps()), "the gap's end")
        running.stop()
    (gap,) = running.book.gaps()
    assert (gap.cause, gap.feeds, gap.countries, gap.producer) == ("network", ("all",), ("CA",), "main")
    assert gap.open
    assert GapFile(tmp_path).entries[gap.id].gap == gap


def test_nothing_is_read_before_the_end_of_a_gap_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, read = threading.Event(), threading.Event()
    append = files.append

    def on_a_disk(descriptor: int, data: bytes) -> None:
        if full.is_set():
            raise OSError(28, "No space left on device")
        append(descriptor, data)

    def breaks_and_fills_the_disk(connection: Connection) -> None:
        connection.accept()
        connection.send(b'{"data":{"id":"1"}}\r\n')
        assert read.wait(DEADLINE)
        full.set()
        connection.break_off()

    monkeypatch.setattr(files, "append", on_a_disk)
    before = reconnects("disk")
    with serving(breaks_and_fills_the_disk, sends(b'{"data":{"id":"2"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server))
        running.until(lambda: bool(running.journal.payloads), "the first message")
        read.set()
        running.until(lambda: reconnects("disk") > before + 2, "connections that were given up")
        assert b'{"data":{"id":"2"}}' not in running.journal.payloads
        full.clear()
        running.until(lambda: b'{"data":{"id":"2"}}' in running.journal.payloads, "the message")
        running.stop()
    assert [gap.cause for gap in running.book.gaps()] == ["network"]


def test_after_a_short_gap_x_is_asked_to_send_it_again_and_then_it_is_filled(tmp_path: Path) -> None:
    def goes_on(connection: Connection) -> None:
        connection.accept()
        for number in range(10_000):
            made = int(time.time() * 1000) - 1288834974657 << 22
            connection.send(b'{"data":{"id":"%d"}}\r\n' % (made + number))
            time.sleep(0.02)

    with serving(break_in_the_middle, goes_on) as server:
        x = settings_for(server, backfill_minutes=3, backfill_settle_seconds=0.2)
        running = Running(tmp_path, x)
        running.until(
            lambda: len(running.book.gaps()) == 1 and not running.book.gaps()[0].open, "a filled gap"
        )
        running.stop()
        assert "backfill_minutes" not in server.queries[0]
        assert re.search(r"backfill_minutes=[12]\b", server.queries[1])
    (gap,) = running.book.gaps()
    assert (gap.filled_by, gap.cause) == ("backfill", "network")


def test_a_connection_that_breaks_too_early_leaves_its_gap_open(tmp_path: Path) -> None:
    with serving(break_in_the_middle, break_in_the_middle, break_in_the_middle, sends()) as server:
        running = Running(tmp_path, settings_for(server, backfill_minutes=5, backfill_settle_seconds=30))
        running.until(lambda: server.connections == 4, "four connections")
        running.stop()
        assert all("backfill_minutes" in query for query in server.queries[1:])
    assert running.book.gaps()
    assert all(gap.open for gap in running.book.gaps())


def test_an_account_without_backfill_is_told_which_key_to_change(tmp_path: Path) -> None:
    with serving(break_in_the_middle, lambda connection: connection.refuse(400)) as server:
        running = Running(tmp_path, settings_for(server, backfill_minutes=5))
        running.thread.join(DEADLINE)
    assert isinstance(running.error, RefusedError)
    assert "x.backfill_minutes = 0" in str(running.error)


def test_what_may_be_spent_is_read_and_then_the_stream_waits_for_the_day(tmp_path: Path) -> None:
    lines = b"".join(b'{"data":{"id":"%d"}}\r\n' % number for number in range(1, 6))
    with serving(sends(lines), sends(b'{"data":{"id":"9"}}\r\n')) as server:
        running = Running(tmp_path, settings_for(server), spend=Spend(posts_per_day=5), sleep=time.sleep)
        running.stream.sleep = lambda _seconds: time.sleep(0.01)
        running.until(lambda: metrics.stream_is("spent"), "the limit")
        assert server.closed.wait(DEADLINE), "X did not see the connection closed"
        assert len(running.journal.payloads) == 5
        running.spend.limit(Spend(posts_per_day=6))
        running.until(lambda: len(running.journal.payloads) == 6, "the sixth post")
        running.stop()
    assert running.book.gaps()[0].cause == "spend"
