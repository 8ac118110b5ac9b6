"""A journal opens and is read as quickly with hundreds of segments as with one."""

from pathlib import Path

import pytest

from citypulse.producer.journal import cursor, files, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer

AT = 1_700_000_000_000
SEGMENTS = 200


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    writer = Writer(tmp_path, 64)
    for number in range(SEGMENTS):
        writer.append([(AT, b"%050d" % number)])
    writer.close()
    assert len(segment.paths(tmp_path)) == SEGMENTS
    return tmp_path


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories that were listed, each time."""
    found: list[Path] = []
    real = files.names

    def names(directory: Path) -> list[str]:
        found.append(directory)
        return real(directory)

    monkeypatch.setattr(files, "names", names)
    return found


def test_opening_reads_the_newest_segment_only(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor.store(directory, 1)
    contents: list[bytes] = []
    real = files.read_back

    def read_back(descriptor: int) -> bytes:
        contents.append(real(descriptor))
        return contents[-1]

    monkeypatch.setattr(files, "read_back", read_back)
    Writer(directory, 64).close()
    assert contents == [(directory / segment.name(SEGMENTS)).read_bytes()]


def test_reading_lists_the_directory_a_few_times_however_many_segments_there_are(
    directory: Path, listed: list[Path]
) -> None:
    reader = Reader(directory, 1, lambda *gap: pytest.fail(str(gap)))
    records = reader.read(None, 2 * SEGMENTS, 1 << 20)
    reader.close()
    assert len(records) == SEGMENTS
    assert len(listed) <= 3


def test_who_waits_at_the_end_lists_nothing(directory: Path, listed: list[Path]) -> None:
    reader = Reader(directory, SEGMENTS, lambda *gap: pytest.fail(str(gap)))
    assert len(reader.read(SEGMENTS + 1, 9, 99)) == 1
    listed.clear()
    for _ in range(10):
        assert reader.read(SEGMENTS + 1, 9, 99) == []
    assert listed == []
    reader.close()


def test_a_reader_begins_in_the_segment_that_has_its_record(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = files.open_to_read

    def open_to_read(path: Path) -> int:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(files, "open_to_read", open_to_read)
    reader = Reader(directory, 150, lambda *gap: pytest.fail(str(gap)))
    assert [record.sequence for record in reader.read(None, 1, 99)] == [150]
    reader.close()
    assert opened == [segment.name(150)]
