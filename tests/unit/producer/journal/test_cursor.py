"""How far Kafka has acknowledged is remembered, and a cursor that cannot be believed is none."""

import errno
import struct
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import cursor, reserve
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer

from . import disk as disks

ROOT = Path("/journal")
AT = 1_700_000_000_000


def test_the_cursor_is_remembered(tmp_path: Path) -> None:
    assert cursor.load(tmp_path) is None
    assert cursor.store(tmp_path, 42)
    assert cursor.load(tmp_path) == 42
    assert [path.name for path in tmp_path.iterdir()] == ["cursor"]


@given(st.data())
@settings(deadline=None)
def test_an_unsound_cursor_is_no_cursor(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("cursor")
    cursor.store(directory, 42)
    path = directory / "cursor"
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert cursor.load(directory) is None


def test_a_cursor_of_another_journal_is_no_cursor(tmp_path: Path) -> None:
    for name in ("one", "other"):
        writer = Writer(tmp_path / name, 4096)
        writer.append([(AT, b"a"), (AT, b"b"), (AT, b"c")])
        writer.close()
        cursor.store(tmp_path / name, 3)
    # Numbers are random, and may be the same once in 65,535 times.
    numbers = [cursor.parse(tmp_path / name) for name in ("one", "other")]
    (tmp_path / "one" / "cursor").write_bytes((tmp_path / "other" / "cursor").read_bytes())
    assert cursor.load(tmp_path / "one") == (3 if numbers[0] == numbers[1] else None)


def test_another_version_of_the_cursor_is_refused(tmp_path: Path) -> None:
    body = struct.pack("<8sHHQQ", b"CPULSEC\n", 2, 0, 42, 0)
    (tmp_path / "cursor").write_bytes(body + struct.pack("<I", crc32c(body)))
    with pytest.raises(BadInputError, match="cursor format 2"):
        cursor.load(tmp_path)


def test_a_cursor_ahead_of_the_last_record_costs_no_record_that_is_appended_then(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 4096)
    writer.append([(AT, b"one")])
    writer.close()
    cursor.store(tmp_path, 10)
    writer = Writer(tmp_path, 4096)
    writer.append([(AT, b"ten")])
    writer.close()
    reader = Reader(tmp_path, 10, lambda *gap: pytest.fail(str(gap)))
    assert [(record.sequence, record.payload) for record in reader.read(None, 9, 99)] == [(10, b"ten")]
    reader.close()


def test_a_full_disk_gives_the_reserve_for_the_cursor_and_says_when_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = disks.install(monkeypatch, ROOT)
    assert reserve.make(ROOT, 1000)
    disk.capacity = disk.used()
    assert cursor.store(ROOT, 5)
    assert "reserve" not in disk.names_shown
    disk.capacity = disk.used()
    assert not cursor.store(ROOT, 6)
    assert cursor.load(ROOT) == 5
    assert "cursor.tmp" not in disk.names_shown


def test_a_failing_disk_is_no_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disks.install(monkeypatch, ROOT)
    disk.failures["sync"] = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        cursor.store(ROOT, 5)
