"""Orders of events that random actions seldom meet."""

import errno
import os
import random
from pathlib import Path

import pytest

from citypulse.producer.errors import StopError
from citypulse.producer.journal import cursor, files, segment, setaside
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.journal.writer import Writer

from . import disk as disks

AT = 1_700_000_000_000
ROOT = Path("/journal")


def nothing(_rng: random.Random) -> str:
    return "none"


def test_a_segment_that_could_not_be_begun_and_comes_back_hides_no_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = disks.install(monkeypatch, ROOT)
    writer = Writer(ROOT, 300)
    writer.append([(AT, b"x" * 150)])
    disk.failures["sync directory"] = errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        writer.append([(AT, b"too large for the first segment" * 5)])
    writer.append([(AT, b"small")])
    writer.append([(AT, b"as small")])
    # All but the removal of the file that could not be begun has reached the disk.
    disk.names_unsynced = [(name, inode) for name, inode in disk.names_unsynced if inode]
    disk.crash(lambda _rng: "all", random.Random(0))
    assert segment.name(2) in disk.names_shown

    writer = Writer(ROOT, 300)
    writer.append([(AT, b"after")])
    reader = Reader(ROOT, 2, lambda *gap: pytest.fail(str(gap)))
    assert [(r.sequence, r.payload) for r in reader.read(None, 9, 9999)] == [
        (2, b"small"),
        (3, b"as small"),
        (4, b"after"),
    ]


def test_what_is_set_aside_is_on_disk_before_the_cursor_that_passes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = disks.install(monkeypatch, ROOT)
    Writer(ROOT, 4096).append([(AT, b"one"), (AT, b"two")])
    for sequence, payload in ((1, b"one"), (2, b"two")):
        SetAside(ROOT).record(Record(sequence, AT, payload), "no post")
    assert cursor.store(ROOT, 3)
    disk.crash(nothing, random.Random(0))
    assert [entry.content() for entry in setaside.entries(ROOT, setaside.SET_ASIDE)] == [b"one", b"two"]


def test_what_a_killed_process_had_not_synced_is_on_disk_before_it_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = disks.install(monkeypatch, ROOT)
    writer = Writer(ROOT, 4096)

    def kill(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", kill)
        with pytest.raises(KeyboardInterrupt):
            writer.append([(AT, b"one")])
    writer.close()
    writer = Writer(ROOT, 4096)
    promised = writer.next_sequence
    disk.crash(nothing, random.Random(0))
    assert Writer(ROOT, 4096).next_sequence == promised == 2


def test_what_was_refused_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disks.install(monkeypatch, ROOT)
    writer = Writer(ROOT, 4096)
    writer.append([(AT, b"accepted")])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", full)
        with pytest.raises(OSError, match="No space"):
            writer.append([(AT, b"refused, and dropped")])
    # The write reaches the disk, and what was not synced of taking it back does not.
    for inode in disk.names_shown.values():
        inode.unsynced = [(offset, data) for offset, data in inode.unsynced if data is not None]
    disk.crash(lambda _rng: "all", random.Random(0))
    assert Writer(ROOT, 4096).next_sequence == 2


def test_a_cursor_whose_name_is_not_on_disk_deletes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disks.install(monkeypatch, ROOT)
    writer = Writer(ROOT, 64)
    for number in range(5):
        writer.append([(AT, b"%050d" % number)])
    disk.failures["sync directory"] = errno.ENOSPC
    assert not cursor.store(ROOT, 4)
    writer.prune(4, 0, needs_room=False)
    # What was deleted is gone for good, and what was renamed and not synced is not.
    disk.names_unsynced = [(name, inode) for name, inode in disk.names_unsynced if inode is None]
    disk.crash(lambda _rng: "all", random.Random(0))
    assert segment.first_sequence(ROOT) <= (cursor.load(ROOT) or 1)


def test_after_a_failed_sync_nothing_of_it_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disks.install(monkeypatch, ROOT)
    writer = Writer(ROOT, 4096)
    writer.append([(AT, b"accepted")])
    disk.failures = {"sync": errno.EIO, "truncate": errno.EIO}
    with pytest.raises(StopError, match="disk fails"):
        writer.append([(AT, b"the kernel shows it, the disk never got it")])
    writer.close()
    writer = Writer(ROOT, 4096)
    assert writer.next_sequence == 2


def test_bytes_that_were_taken_back_are_not_given_to_a_reader_that_had_buffered_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path, 4096)
    writer.append([(AT, b"one")])
    reader = Reader(tmp_path, 1, lambda *gap: pytest.fail(str(gap)))

    def read_and_fail(_descriptor: int) -> None:
        assert [record.payload for record in reader.read(2, 9, 9999)] == [b"one"]
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", read_and_fail)
        with pytest.raises(OSError, match="No space"):
            writer.append([(AT, b"two"), (AT, b"dropped")])
    writer.append([(AT, b"TWO"), (AT, b"three")])
    assert [record.payload for record in reader.read(4, 9, 9999)] == [b"TWO", b"three"]
    reader.close()
    writer.close()


def test_what_is_appended_before_a_new_segment_begins_is_not_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path, 4096)
    writer.append([(AT, b"one")])
    reader = Reader(tmp_path, 1, lambda *gap: pytest.fail(str(gap)))
    assert [record.payload for record in reader.read(None, 1, 9999)] == [b"one"]
    real = files.read_at
    todo = [None]

    def read_at(descriptor: int, size: int, offset: int) -> bytes:
        data = real(descriptor, size, offset)
        if not data and todo:
            todo.clear()
            # The reader has seen the end: now the writer adds to it, and begins the next one.
            writer.append([(AT, b"two")])
            writer.rotate()
            writer.append([(AT, b"three")])
        return data

    monkeypatch.setattr(files, "read_at", read_at)
    assert [record.payload for record in reader.read(None, 9, 9999)] == [b"two", b"three"]
    reader.close()
    writer.close()


def test_the_directory_is_on_disk_under_its_name_and_so_are_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    real = files.sync_directory

    def sync_directory(directory: Path) -> None:
        synced.append(directory)
        real(directory)

    monkeypatch.setattr(files, "sync_directory", sync_directory)
    Writer(tmp_path / "a" / "b", 4096).close()
    assert synced[:2] == [tmp_path, tmp_path / "a"]


def test_a_directory_behind_a_symbolic_link_is_one_and_the_same(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    writer = Writer(tmp_path / "link", 4096)
    with pytest.raises(StopError, match=rf"in use by process {os.getpid()}"):
        Writer(tmp_path / "real", 4096)
    writer.append([(AT, b"one")])
    writer.close()
    assert Writer(tmp_path / "real", 4096).next_sequence == 2


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(StopError, match=r"journal\.dir = .*link cannot be used"):
        Writer(tmp_path / "link", 4096)
