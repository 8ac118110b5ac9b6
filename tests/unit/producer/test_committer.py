"""Records share a commit, and nobody is told of a record before it is on disk."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from citypulse.producer.journal import files
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer

DEADLINE = 30.0


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the disk was synced."""
    times: list[float] = []
    real = files.sync

    def sync(descriptor: int) -> None:
        times.append(time.monotonic())
        real(descriptor)

    monkeypatch.setattr(files, "sync", sync)
    return times


class Running:
    def __init__(
        self, directory: Path, group_records: int = 100, group_seconds: float = 0.05, **more: Any
    ) -> None:
        self.directory = directory
        self.writer = Writer(directory, 1 << 20)
        self.committer = Committer(
            self.writer, group_records, group_seconds, **({"max_bytes": 1 << 30} | more)
        )
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.committer.run()
        except OSError as error:
            self.error = error

    def put(self, *payloads: bytes) -> None:
        self.committer.put(1_700_000_000_000, list(payloads), lambda: False)

    def until_durable(self, sequence: int) -> None:
        end = time.monotonic() + DEADLINE
        while self.committer.durable < sequence:
            assert time.monotonic() < end, f"{sequence} was not durable within {DEADLINE:g} s"
            self.committer.wait_beyond(self.committer.durable, 0.1)

    def payloads(self) -> list[bytes]:
        reader = Reader(self.directory, 1, lambda *_: None)
        found = [record.payload for record in reader.read(self.committer.durable, 10_000, 1 << 30)]
        reader.close()
        return found

    def close(self) -> None:
        self.committer.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the committer did not end"
        self.writer.close()


def test_a_single_record_waits_for_company_no_longer_than_its_group_may(
    tmp_path: Path, syncs: list[float]
) -> None:
    running = Running(tmp_path, group_seconds=0.05)
    put_at = time.monotonic()
    running.put(b"one")
    running.until_durable(2)
    assert len(syncs) == 1
    assert syncs[0] - put_at >= 0.05
    running.close()
    assert running.payloads() == [b"one"]


def test_a_full_group_does_not_wait(tmp_path: Path, syncs: list[float]) -> None:
    running = Running(tmp_path, group_records=10, group_seconds=3600)
    for n in range(10):
        running.put(b"%d" % n)
    running.until_durable(11)
    assert len(syncs) == 1
    running.close()


def test_what_comes_together_is_one_commit(tmp_path: Path, syncs: list[float]) -> None:
    running = Running(tmp_path)
    running.put(*[b"%d" % n for n in range(1000)])
    running.until_durable(1001)
    assert len(syncs) == 1
    running.close()
    assert running.payloads() == [b"%d" % n for n in range(1000)]


def test_closing_commits_what_is_pending(tmp_path: Path) -> None:
    running = Running(tmp_path, group_seconds=3600)
    running.put(b"one", b"two")
    running.close()
    assert running.committer.durable == 3
    assert running.payloads() == [b"one", b"two"]


def test_nothing_is_promised_that_the_disk_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    running = Running(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", refuse)
        running.put(b"one")
        running.thread.join(DEADLINE)
    assert isinstance(running.error, OSError)
    assert running.committer.durable == 1
    running.writer.close()


def test_a_full_journal_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    running = Running(tmp_path, max_bytes=1000)
    running.put(b"x" * 2000)
    running.until_durable(2)
    running.put(b"waits")
    time.sleep(0.3)
    assert running.committer.durable == 2
    running.committer._max_bytes = 1 << 30
    running.until_durable(3)
    running.close()


def test_a_stop_is_not_held_up_by_a_full_journal(tmp_path: Path) -> None:
    running = Running(tmp_path, max_bytes=1000)
    running.put(b"x" * 2000)
    running.until_durable(2)
    running.put(b"accepted at the stop")
    running.close()
    assert running.payloads()[1:] == [b"accepted at the stop"]


def test_what_is_kept_by_age_makes_room_when_the_journal_is_full(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 4096)
    committer = Committer(writer, 10, 0.01, 20_000)
    thread = threading.Thread(target=committer.run, daemon=True)
    thread.start()
    for _ in range(60):
        committer.put(1, [b"x" * 1000], lambda: False)
    end = time.monotonic() + DEADLINE
    while committer.durable < 61:
        assert time.monotonic() < end, f"only {committer.durable} are durable"
        committer.prune(committer.durable, 24 * 3600)
        time.sleep(0.02)
    committer.close()
    thread.join(DEADLINE)
    writer.close()


def test_what_a_full_disk_leaves_in_memory_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    running = Running(tmp_path, group_records=2, group_seconds=3600)
    monkeypatch.setattr(files, "append", full)
    running.put(b"one", b"two")
    running.thread.join(DEADLINE)
    running.put(b"three")
    assert running.committer.unjournaled == 3
    running.writer.close()
