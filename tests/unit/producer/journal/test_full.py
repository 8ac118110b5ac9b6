"""A full journal, or a full disk, ends nothing and loses nothing in silence."""

import errno
import time
from pathlib import Path

import pytest

from citypulse.producer import metrics
from citypulse.producer.journal import cursor, dropped, reserve, segment
from citypulse.producer.journal.writer import Writer

from . import disk as disks
from .disk import Disk
from .running import AT, DEADLINE, Running

ROOT = Path("/journal")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return disks.install(monkeypatch, ROOT)


def fill(disk: Disk) -> None:
    """Somebody else takes all that is left."""
    disk.capacity = disk.used()


def metric(name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"citypulse_producer_{name}", labels) or 0.0


class TestBlock:
    def test_a_full_journal_takes_nothing_until_kafka_has_what_it_holds(self, tmp_path: Path) -> None:
        running = Running(tmp_path, max_bytes=1000)
        running.put(b"x" * 2000)
        running.until_durable(2)
        running.until_full("size")
        assert metrics.journal_is_full()
        running.put(b"waits")
        time.sleep(0.3)
        assert running.committer.durable == 2
        # All of it is in the newest segment, which nothing but this would ever delete.
        running.acknowledge()
        running.until_durable(3)
        assert not metrics.journal_is_full()
        assert running.payloads(2) == [b"waits"]
        running.close()

    def test_what_is_kept_by_age_makes_room(self, tmp_path: Path) -> None:
        running = Running(tmp_path, group_records=10, segment_bytes=4096, max_bytes=20_000)
        for _ in range(60):
            running.put(b"x" * 1000)
        end = time.monotonic() + DEADLINE
        while running.committer.durable < 61:
            assert time.monotonic() < end, f"only {running.committer.durable} are durable"
            running.acknowledge()
            time.sleep(0.02)
        running.close()

    def test_a_stop_is_not_held_up_by_a_full_journal(self, tmp_path: Path) -> None:
        running = Running(tmp_path, max_bytes=1000)
        running.put(b"x" * 2000)
        running.until_durable(2)
        running.put(b"accepted at the stop")
        running.close()
        assert running.payloads()[1:] == [b"accepted at the stop"]

    def test_a_full_disk_is_waited_for_and_the_same_records_are_appended_then(self, disk: Disk) -> None:
        running = Running(ROOT)
        running.put(b"one")
        running.until_durable(2)
        fill(disk)
        running.put(b"two")
        running.put(b"three")
        running.until_full("disk")
        assert metrics.journal_is_full()
        assert running.committer.unjournaled == 2
        disk.capacity = None
        running.until_durable(4)
        running.until_full("")
        running.close()
        assert running.payloads() == [b"one", b"two", b"three"]
        assert running.error is None

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
    @pytest.mark.parametrize("call", ["write", "sync"])
    def test_quota_and_file_size_are_no_different(self, disk: Disk, call: str, number: int) -> None:
        running = Running(ROOT)
        disk.failures[call] = number
        running.put(b"one")
        running.until_durable(2)
        running.close()
        assert running.payloads() == [b"one"]

    def test_kafka_having_segments_makes_room_on_a_full_disk(self, disk: Disk) -> None:
        running = Running(ROOT, group_records=1, segment_bytes=100, reserve_bytes=200)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        for number in range(10):
            running.put(b"%050d" % number)
            running.until_durable(number + 2)
        fill(disk)
        running.put(b"%050d" % 10)
        running.until_full("disk")
        running.acknowledge()
        running.until_durable(12)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        running.close()
        assert running.payloads(11) == [b"%050d" % 10]

    def test_what_comes_from_x_does_not_use_up_the_reserve(self, disk: Disk) -> None:
        running = Running(ROOT, reserve_bytes=1000)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        fill(disk)
        running.put(b"one")
        running.until_full("disk")
        # A cursor needs it.
        assert cursor.store(ROOT, 1)
        assert "reserve" not in disk.names_shown
        time.sleep(1.2)
        assert running.committer.durable == 1
        assert cursor.store(ROOT, 1)
        disk.capacity = None
        running.until_durable(2)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        running.close()

    def test_a_stop_on_a_full_disk_journals_what_was_read(self, disk: Disk) -> None:
        running = Running(ROOT, reserve_bytes=1000)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        fill(disk)
        running.put(b"one", b"two")
        running.until_full("disk")
        running.close()
        assert running.error is None
        assert running.payloads() == [b"one", b"two"]

    def test_what_not_even_the_reserve_can_hold_is_counted_and_noted(self, disk: Disk) -> None:
        told: list[tuple[int, int, int]] = []
        running = Running(ROOT, reserve_bytes=300, on_dropped=lambda *span: told.append(span))
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        fill(disk)
        before = metric("dropped_total", cause="stop")
        running.put(b"x" * 1000, b"y" * 1000)
        running.until_full("disk")
        running.close()
        assert isinstance(running.error, OSError)
        assert metric("dropped_total", cause="stop") - before == 2
        assert told == [(AT, AT, 2)]
        assert [(span.count, span.cause) for span in dropped.load(ROOT)] == [(2, "stop")]
        assert running.payloads() == []

    def test_other_failures_of_the_disk_end_it(self, disk: Disk) -> None:
        running = Running(ROOT)
        disk.failures["write"] = errno.EROFS
        running.put(b"one")
        running.thread.join(DEADLINE)
        assert isinstance(running.error, OSError)
        assert running.error.errno == errno.EROFS
        assert running.committer.unjournaled == 1


class TestDropNewest:
    def test_what_comes_to_a_full_journal_is_dropped_and_counted(self, tmp_path: Path) -> None:
        told: list[tuple[int, int, int]] = []
        before = metric("dropped_total", cause="size")
        running = Running(
            tmp_path, max_bytes=1000, when_full="drop_newest", on_dropped=lambda *span: told.append(span)
        )
        running.put(b"x" * 2000)
        running.until_full("size")
        for number in range(5):
            running.put(b"dropped", b"dropped too", at=AT + number)
        running.until(lambda: running.committer.unjournaled == 0, "all dropped")
        assert metric("dropped_total", cause="size") - before == 10
        assert [(s.start, s.end, s.count) for s in dropped.load(tmp_path)] == [(AT, AT + 4, 10)]
        assert told == []
        running.acknowledge()
        running.until_full("")
        assert told == [(AT, AT + 4, 10)]
        running.put(b"taken")
        running.until_durable(3)
        running.close()
        assert running.payloads(2) == [b"taken"]

    def test_a_full_disk_drops_the_newest_and_keeps_what_was_accepted(self, disk: Disk) -> None:
        running = Running(ROOT, when_full="drop_newest", reserve_bytes=2000)
        running.until(lambda: "reserve" in disk.names_shown, "a reserve")
        running.put(b"accepted")
        running.until_durable(2)
        fill(disk)
        running.put(b"dropped")
        running.until(lambda: running.committer.unjournaled == 0, "it dropped")
        assert [(s.count, s.cause) for s in dropped.load(ROOT)] == [(1, "disk")]
        disk.capacity = None

        def taken() -> bool:
            running.put(b"taken")
            time.sleep(0.1)
            return running.committer.durable > 2

        running.until(taken, "room found again")
        running.close()
        assert running.payloads()[:2] == [b"accepted", b"taken"]
        assert set(running.payloads()) == {b"accepted", b"taken"}

    def test_a_span_that_a_kill_ended_is_told_by_the_next_process_until_it_was(self, tmp_path: Path) -> None:
        book = dropped.Dropped(tmp_path, None)
        book.add([(AT, b"a"), (AT + 5, b"b")], "disk")
        told: list[tuple[int, int, int]] = []

        def fails(*_: int) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            dropped.Dropped(tmp_path, fails).tell()
        dropped.Dropped(tmp_path, lambda *span: told.append(span)).tell()
        dropped.Dropped(tmp_path, lambda *span: told.append(span)).tell()
        assert told == [(AT, AT + 5, 2)]

    def test_a_span_begins_where_x_was_heard_last_for_messages_may_be_long_under_way(
        self, tmp_path: Path
    ) -> None:
        told: list[tuple[int, int, int]] = []
        running = Running(
            tmp_path,
            max_bytes=1000,
            when_full="drop_newest",
            on_dropped=lambda *span: told.append(span),
            heard=lambda: AT - 45_000,
        )
        running.put(b"x" * 2000)
        running.until_full("size")
        running.put(b"sent half a minute before it was read")
        running.until(lambda: running.committer.dropped == 1, "it dropped")
        running.close()
        assert told == [(AT - 45_000, AT, 1)]

    def test_a_span_that_lasts_is_told_of_in_parts_that_leave_nothing_out(self, tmp_path: Path) -> None:
        told: list[tuple[int, int, int]] = []
        book = dropped.Dropped(tmp_path, lambda *span: told.append(span))
        minutes = range(0, 30 * 60_000, 60_000)
        for minute in minutes:
            book.add([(AT + minute, b"a"), (AT + minute + 10, b"b")], "size")
        assert len(told) == 5
        book.end()
        assert sum(count for _, _, count in told) == 2 * len(minutes)
        assert [told[n][1] for n in range(5)] == [told[n + 1][0] for n in range(5)]
        assert (told[0][0], told[-1][1]) == (AT, AT + minutes[-1] + 10)
        assert sum(span.count for span in dropped.load(tmp_path)) == 2 * len(minutes)

    def test_a_span_that_a_full_disk_keeps_from_being_told_is_told_later(self, tmp_path: Path) -> None:
        told: list[tuple[int, int, int]] = []
        full = True

        def tell(*span: int) -> None:
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
            told.append(span)  # type: ignore[arg-type]

        running = Running(tmp_path, max_bytes=1000, when_full="drop_newest", on_dropped=tell)
        running.put(b"x" * 2000)
        running.until_full("size")
        running.put(b"dropped")
        running.until(lambda: running.committer.dropped == 1, "it dropped")
        running.acknowledge()
        running.until_full("")
        running.close()
        assert (running.error, told) == (None, [])
        full = False
        dropped.Dropped(tmp_path, tell).tell()
        assert told == [(AT, AT, 1)]

    def test_what_the_disk_has_no_room_to_note_counts_as_not_journaled(self, disk: Disk) -> None:
        running = Running(ROOT, when_full="drop_newest")
        running.put(b"accepted")
        running.until_durable(2)
        fill(disk)
        running.put(b"dropped")
        running.until(lambda: running.committer.dropped == 1, "it dropped")
        assert dropped.load(ROOT) == []
        assert running.committer.unjournaled == 1
        disk.capacity = None

        def taken() -> bool:
            running.put(b"taken")
            time.sleep(0.1)
            return running.committer.durable > 2

        running.until(taken, "room found again")
        running.until(lambda: running.committer.unjournaled == 0, "all noted")
        assert sum(span.count for span in dropped.load(ROOT)) == running.committer.dropped
        running.close()

    def test_a_clock_set_back_makes_no_span_that_ends_before_it_starts(self, tmp_path: Path) -> None:
        book = dropped.Dropped(tmp_path, None)
        book.add([(AT, b"a")], "disk")
        book.add([(AT - 7200_000, b"b")], "disk")
        assert [(s.start, s.end, s.count) for s in dropped.load(tmp_path)] == [(AT - 7200_000, AT, 2)]

    def test_the_spans_that_are_remembered_are_bounded(self, tmp_path: Path) -> None:
        book = dropped.Dropped(tmp_path, None)
        book._spans = [dropped.Span(AT, AT, n, "size") for n in range(dropped.KEPT)]
        book.add([(AT, b"a")], "disk")
        spans = dropped.load(tmp_path)
        assert len(spans) == dropped.KEPT
        assert sum(span.count for span in spans) == sum(range(dropped.KEPT)) + 1
        assert spans[-1].cause == "disk"


class TestReserve:
    def test_its_blocks_are_really_taken(self, tmp_path: Path) -> None:
        assert reserve.make(tmp_path, 1 << 20)
        assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
        assert reserve.free(tmp_path)
        assert not reserve.free(tmp_path)

    def test_none_is_made_where_there_is_no_room(self, disk: Disk) -> None:
        disk.capacity = 100
        assert not reserve.make(ROOT, 1000)
        assert "reserve" not in disk.names_shown

    def test_none_is_waited_for_where_a_file_may_not_be_as_large(self, disk: Disk) -> None:
        disk.failures["write"] = errno.EFBIG
        assert reserve.make(ROOT, 1000)

    def test_none_is_made_where_none_is_wanted(self, disk: Disk) -> None:
        assert reserve.make(ROOT, 0)
        assert disk.names_shown == {}


def test_a_journal_opens_on_a_full_disk_and_begins_when_there_is_room(disk: Disk) -> None:
    writer = Writer(ROOT, 4096)
    writer.append([(AT, b"one")])
    writer.close()
    # A header that a crash left without a record: another segment is needed.
    disk.damage(segment.name(1), lambda content: content.__setitem__(3, 0))
    fill(disk)
    writer = Writer(ROOT, 4096)
    with pytest.raises(OSError, match="No space"):
        writer.append([(AT, b"two")])
    disk.capacity = None
    writer.append([(AT, b"two")])
    assert writer.next_sequence == 3
    assert len(segment.paths(ROOT)) == 2
