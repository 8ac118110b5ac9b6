"""Segments are deleted once Kafka has them, and never before a cursor on disk says so."""

import os
import time
from pathlib import Path

import pytest

from citypulse.producer.journal import cursor, files, segment, setaside
from citypulse.producer.journal.writer import PRUNED_AT_ONCE, SEGMENT_SECONDS, Writer

AT = 1_700_000_000_000


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """Of 100 records in 8 segments."""
    writer = Writer(tmp_path, 1000)
    for _ in range(100):
        writer.append([(AT, b"x" * 50)])
    return writer


def starts(directory: Path) -> list[int]:
    return [first for first, _ in segment.paths(directory)]


def test_the_newest_segment_stays(tmp_path: Path, writer: Writer) -> None:
    before = starts(tmp_path)
    assert len(before) == 8
    cursor.store(tmp_path, 101)
    writer.prune(before[2] - 1, 0, needs_room=False)
    assert starts(tmp_path) == before[1:]
    writer.prune(101, 0, needs_room=False)
    assert starts(tmp_path) == before[-1:]
    assert writer.size == (tmp_path / segment.name(before[-1])).stat().st_size


def test_what_the_cursor_on_disk_does_not_cover_stays(tmp_path: Path, writer: Writer) -> None:
    before = starts(tmp_path)
    writer.prune(101, 0, needs_room=False)
    assert starts(tmp_path) == before
    cursor.store(tmp_path, before[3])
    writer.prune(101, 0, needs_room=True)
    assert starts(tmp_path)[0] == before[3]


def test_segments_are_kept_as_long_as_was_asked(tmp_path: Path, writer: Writer) -> None:
    cursor.store(tmp_path, 101)
    before = segment.paths(tmp_path)
    writer.prune(101, 3600, needs_room=False)
    assert segment.paths(tmp_path) == before
    for _, path in before[:2]:
        os.utime(path, (0, 0))
    writer.prune(101, 3600, needs_room=False)
    assert segment.paths(tmp_path) == before[2:]


def test_room_that_is_needed_goes_before_age_and_takes_the_newest_segment_too(
    tmp_path: Path, writer: Writer
) -> None:
    cursor.store(tmp_path, 101)
    writer.prune(101, 3600, needs_room=True)
    assert starts(tmp_path) == [101]
    writer.append([(AT, b"goes on")])
    assert writer.next_sequence == 102


def test_a_pass_deletes_a_few_so_that_what_comes_does_not_wait(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 64)
    for _ in range(30):
        writer.append([(AT, b"x" * 50)])
    cursor.store(tmp_path, 31)
    writer.prune(31, 0, needs_room=False)
    assert len(starts(tmp_path)) == 30 - PRUNED_AT_ONCE


def test_a_clock_that_was_set_back_does_not_keep_segments_until_it_is_there_again(
    tmp_path: Path, writer: Writer
) -> None:
    cursor.store(tmp_path, 101)
    oldest = segment.paths(tmp_path)[0][1]
    year = 365 * 86400
    os.utime(oldest, (time.time() + year, time.time() + year))
    writer.prune(101, 3600, needs_room=False)
    assert oldest.exists()
    assert oldest.stat().st_mtime < time.time() + 60


def test_nothing_is_deleted_while_somebody_rewrites(tmp_path: Path, writer: Writer) -> None:
    before = starts(tmp_path)
    cursor.store(tmp_path, 101)
    with files.locked(setaside.changes_lock(tmp_path)):
        writer.prune(101, 0, needs_room=False)
        assert starts(tmp_path) == before
    writer.prune(101, 0, needs_room=False)
    assert starts(tmp_path) == before[-1:]


@pytest.mark.parametrize("reopened", [False, True])
def test_what_kafka_has_is_not_kept_for_long_although_nothing_more_comes(
    tmp_path: Path, reopened: bool
) -> None:
    now = [1000.0]
    writer = Writer(tmp_path, 1 << 20, lambda: now[0])
    now[0] += 10 * SEGMENT_SECONDS
    writer.append([(AT, b"what somebody said")])
    cursor.store(tmp_path, 2)
    if reopened:
        writer.close()
        writer = Writer(tmp_path, 1 << 20, lambda: now[0])
    for _ in range(2):
        writer.rotate_old()
        writer.prune(2, 0, needs_room=False)
        assert starts(tmp_path) == [1]
        now[0] += SEGMENT_SECONDS / 2
    for _ in range(5):
        writer.rotate_old()
        writer.prune(2, 0, needs_room=False)
        assert starts(tmp_path) == [2]
        now[0] += SEGMENT_SECONDS
    assert not [path for path in tmp_path.iterdir() if b"somebody" in path.read_bytes()]
    writer.append([(AT, b"goes on")])
    writer.rotate_old()
    assert starts(tmp_path) == [2]
    writer.close()
