"""A thread's death ends the process, and what was read until then is in the journal."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from citypulse.producer import service
from citypulse.producer.config import Config, Feed, Http, Journal
from citypulse.producer.errors import RefusedError, StopError
from citypulse.producer.journal import files
from citypulse.producer.journal.reader import Reader
from citypulse.producer.stream.xclock import XClock
from tests.unit.producer.fake_x import BEARER

SLOW_DISK_SECONDS = 1.2


class FakeX:
    """Sends a message every 10 ms until it is closed, or refuses after half a second."""

    sent = 0
    refuses = False

    def __init__(self, *_: object) -> None:
        self.stop = threading.Event()
        self.clock = XClock()

    def rules(self) -> list[object]:
        return []

    def add(self, _rules: object) -> None:
        pass

    def close(self) -> None:
        self.stop.set()

    def interrupt(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def lines(self, on_connect: Callable[[], None], _backfill_minutes: int = 0) -> Iterator[list[bytes]]:
        on_connect()
        began = time.monotonic()
        while not self.stop.is_set():
            if self.refuses and time.monotonic() - began > 0.5:
                raise RefusedError("X refuses with 403")
            type(self).sent += 1
            rules = [{"id": "1", "tag": "citypulse/main/all/1"}]
            yield [json.dumps({"data": {"id": str(self.sent)}, "matching_rules": rules}).encode()]
            time.sleep(0.01)


@pytest.mark.parametrize("who", ["sender", "stream"])
def test_what_was_read_when_a_thread_ends_is_journaled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    sync = files.sync

    def slow_sync(descriptor: int) -> None:
        time.sleep(SLOW_DISK_SECONDS)
        sync(descriptor)

    def sender(self: service.Sender) -> None:
        if who == "sender":
            while FakeX.sent <= 20:
                time.sleep(0.02)
            raise RuntimeError("boom")
        while not self._time_is_over():
            time.sleep(0.02)

    monkeypatch.setattr(files, "sync", slow_sync)
    monkeypatch.setattr(service, "XClient", FakeX)
    given: list[float] = []
    stop = service.Sender.stop
    monkeypatch.setattr(
        service.Sender, "stop", lambda self, seconds: (given.append(seconds), stop(self, seconds))
    )
    monkeypatch.setattr(service.Sender, "run", sender)
    monkeypatch.setattr(FakeX, "sent", 0)
    monkeypatch.setattr(FakeX, "refuses", who == "stream")
    monkeypatch.setattr(service.signal, "signal", lambda *_: None)
    config = Config(
        feeds=(Feed("all", ("CA",)),), journal=Journal(str(tmp_path / "journal")), http=Http(port=0)
    )
    with pytest.raises(StopError):
        service.run(config, BEARER)
    reader = Reader(tmp_path / "journal", 1, lambda *gap: pytest.fail(f"corrupt: {gap}"))
    journaled = 0
    while records := reader.read(None, 1000, 1 << 20):
        journaled += len(records)
    assert journaled == FakeX.sent > 10
    # Nobody starts again whom X refuses, so that it drains as at any stop.
    assert given == [config.stop_seconds if who == "stream" else 1.0]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), 4),
        (OSError(28, "No space left on device"), 4),
        (OSError(5, "I/O"), 1),
        (ValueError(), 1),
    ],
)
def test_what_a_thread_died_of_is_the_exit_code(error: BaseException, code: int) -> None:
    with pytest.raises(StopError) as caught:
        service._raise("sender", error)
    assert caught.value.exit_code == code
