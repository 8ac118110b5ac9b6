"""Records share a commit, and nobody is told of a record before it is on disk."""

import threading
import time
from pathlib import Path

import pytest

from citypulse.producer.journal import files

from .running import DEADLINE, Running


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
        raise OSError(5, "Input/output error")

    running = Running(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", refuse)
        running.put(b"one")
        running.thread.join(DEADLINE)
    assert isinstance(running.error, OSError)
    assert running.committer.durable == 1
    running.writer.close()


def test_a_disk_that_hangs_shows_in_how_long_messages_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    sync = files.sync

    def hangs(descriptor: int) -> None:
        answers.wait(DEADLINE)
        sync(descriptor)

    running = Running(tmp_path)
    assert running.committer.waiting_seconds == 0
    monkeypatch.setattr(files, "sync", hangs)
    running.put(b"one")
    running.until(lambda: running.committer.waiting_seconds > 0.5, "a message that waits")
    running.put(b"two")
    assert running.committer.waiting_seconds > 0.5
    answers.set()
    running.until_durable(3)
    assert running.committer.waiting_seconds == 0
    running.close()
