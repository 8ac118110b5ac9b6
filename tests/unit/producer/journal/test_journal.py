"""The journal gives back what it took, in order, whatever happened to its files."""

import os
import struct
from pathlib import Path

import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import cursor, files, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.writer import Writer

PAYLOADS = st.lists(st.binary(min_size=1, max_size=200), max_size=60)
AT = 1_700_000_000_000


def write(directory: Path, payloads: list[bytes], segment_bytes: int = 4096, group: int = 7) -> Writer:
    writer = Writer(directory, segment_bytes)
    for start in range(0, len(payloads), group):
        writer.append([(AT + start, payload) for payload in payloads[start : start + group]])
    return writer


def read_all(
    directory: Path, sequence: int = 1, before: int | None = None
) -> tuple[list[Record], list[bytes]]:
    corrupt: list[bytes] = []
    reader = Reader(directory, sequence, lambda _name, _offset, data, _reason: corrupt.append(data))
    records: list[Record] = []
    while found := reader.read(before, 5, 1000):
        records += found
    reader.close()
    return records, corrupt


def newest(directory: Path) -> Path:
    return segment.paths(directory)[-1][1]


@given(PAYLOADS, st.integers(1, 20), st.sampled_from([64, 512, 4096]))
@settings(deadline=None)
def test_what_was_written_is_read_in_order_and_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], group: int, segment_bytes: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    write(directory, payloads, segment_bytes, group).close()
    records, corrupt = read_all(directory)
    assert [record.payload for record in records] == payloads
    assert [record.sequence for record in records] == list(range(1, len(payloads) + 1))
    assert corrupt == []


@given(PAYLOADS, PAYLOADS)
@settings(deadline=None)
def test_a_journal_that_is_opened_again_goes_on_where_it_ended(
    tmp_path_factory: pytest.TempPathFactory, first: list[bytes], second: list[bytes]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    write(directory, first).close()
    write(directory, second).close()
    records, _ = read_all(directory)
    assert [record.payload for record in records] == first + second
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=10), st.data())
@settings(deadline=None)
def test_a_tail_torn_at_any_byte_loses_only_the_record_that_it_tears(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    write(directory, payloads).close()
    path = newest(directory)
    size = data.draw(st.integers(0, path.stat().st_size - 1))
    os.truncate(path, size)
    whole = 0
    end = segment.HEADER_SIZE
    while whole < len(payloads) and end + segment.RECORD_SIZE + len(payloads[whole]) <= size:
        end += segment.RECORD_SIZE + len(payloads[whole])
        whole += 1

    write(directory, [b"after the crash"]).close()

    records, corrupt = read_all(directory)
    assert [record.payload for record in records] == [*payloads[:whole], b"after the crash"]
    assert corrupt == []


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=2, max_size=30), st.data())
@settings(deadline=None, max_examples=200)
def test_a_byte_changed_anywhere_costs_at_most_the_record_that_it_is_in(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    write(directory, payloads, segment_bytes=1 << 20).close()
    path = newest(directory)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(segment.HEADER_SIZE, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    hit, end = -1, segment.HEADER_SIZE
    while end <= position:
        hit += 1
        end += segment.RECORD_SIZE + len(payloads[hit])

    # Read as the sender reads, which knows what was promised, with a record written after the damage.
    records, corrupt = read_all(directory, before=len(payloads) + 1)
    assert [r.payload for r in records] == payloads[:hit] + payloads[hit + 1 :]
    if hit < len(payloads) - 1:
        assert len(corrupt) == 1
        assert len(corrupt[0]) == segment.RECORD_SIZE + len(payloads[hit])


def test_a_damaged_length_does_not_hide_the_records_behind_it(tmp_path: Path) -> None:
    write(tmp_path, [b"one", b"two", b"three"]).close()
    path = newest(tmp_path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, segment.HEADER_SIZE, 0xFFFFFFFF)
    path.write_bytes(content)
    records, corrupt = read_all(tmp_path)
    assert [record.payload for record in records] == [b"two", b"three"]
    assert len(corrupt) == 1


def test_a_stretch_of_zeros_does_not_hide_the_records_behind_it(tmp_path: Path) -> None:
    write(tmp_path, [b"one" * 20, b"two" * 20, b"three"]).close()
    path = newest(tmp_path)
    content = bytearray(path.read_bytes())
    content[segment.HEADER_SIZE : segment.HEADER_SIZE + 100] = bytes(100)
    path.write_bytes(content)
    records, _ = read_all(tmp_path)
    assert [record.payload for record in records] == [b"three"]


def test_a_damaged_header_costs_no_record(tmp_path: Path) -> None:
    write(tmp_path, [b"one", b"two"]).close()
    path = newest(tmp_path)
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    write(tmp_path, [b"three"]).close()
    records, corrupt = read_all(tmp_path)
    assert [(record.sequence, record.payload) for record in records] == [
        (1, b"one"),
        (2, b"two"),
        (3, b"three"),
    ]
    assert len(corrupt) == 1


def test_a_segment_that_lost_its_end_does_not_stop_the_next_one(tmp_path: Path) -> None:
    payloads = [b"x" * 100] * 30
    write(tmp_path, payloads, segment_bytes=1000, group=1).close()
    first = segment.paths(tmp_path)[0][1]
    os.truncate(first, first.stat().st_size - 10)
    records, corrupt = read_all(tmp_path)
    sequences = [record.sequence for record in records]
    missing = set(range(1, 31)) - set(sequences)
    assert sequences == sorted(sequences)
    assert len(missing) == 1
    assert len(corrupt) == 1


def test_a_reader_sees_nothing_that_the_writer_has_not_promised(tmp_path: Path) -> None:
    writer = write(tmp_path, [b"one", b"two", b"three"])
    reader = Reader(tmp_path, 1, lambda *_: None)
    assert [r.payload for r in reader.read(3, 10, 1000)] == [b"one", b"two"]
    assert reader.read(3, 10, 1000) == []
    assert [r.payload for r in reader.read(4, 10, 1000)] == [b"three"]
    writer.append([(AT, b"four")])
    assert [r.payload for r in reader.read(5, 10, 1000)] == [b"four"]
    reader.close()
    writer.close()


def test_a_record_being_written_is_not_taken_for_a_damaged_one(tmp_path: Path) -> None:
    write(tmp_path, [b"one"]).close()
    reader = Reader(tmp_path, 1, lambda *gap: pytest.fail(f"reported {gap}"))
    half = segment.encode(2, AT, b"two")
    with newest(tmp_path).open("ab") as file:
        file.write(half[:20])
        file.flush()
        assert [r.payload for r in reader.read(None, 10, 1000)] == [b"one"]
        assert reader.read(None, 10, 1000) == []
        file.write(half[20:])
        file.flush()
        assert [r.payload for r in reader.read(None, 10, 1000)] == [b"two"]
    reader.close()


def test_a_promised_record_that_cannot_be_read_is_reported_when_the_next_one_comes(tmp_path: Path) -> None:
    writer = write(tmp_path, [b"one", b"two"])
    path = newest(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    corrupt: list[bytes] = []
    reader = Reader(tmp_path, 1, lambda _n, _o, data, _r: corrupt.append(data))
    assert [r.payload for r in reader.read(3, 10, 1000)] == [b"one"]
    writer.append([(AT, b"three")])
    assert [r.payload for r in reader.read(4, 10, 1000)] == [b"three"]
    assert [len(data) for data in corrupt] == [segment.RECORD_SIZE + 3]
    reader.close()
    writer.close()


def test_reading_begins_at_any_sequence_without_reading_what_is_before(tmp_path: Path) -> None:
    write(tmp_path, [b"%d" % n for n in range(1, 101)], segment_bytes=500, group=3).close()
    for sequence in (1, 2, 50, 99, 100):
        assert [int(r.payload) for r in read_all(tmp_path, sequence)[0]] == list(range(sequence, 101))
    assert read_all(tmp_path, 101)[0] == []


def test_a_second_process_is_kept_out_in_one_sentence(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 4096)
    with pytest.raises(BadInputError, match=rf"journal.dir = .* in use by process {os.getpid()}"):
        Writer(tmp_path, 4096)
    writer.close()
    Writer(tmp_path, 4096).close()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match=r"journal\.dir"):
        Writer(tmp_path / "file" / "journal", 4096)


def test_another_version_of_the_format_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [b"one"]).close()
    path = newest(tmp_path)
    head = struct.pack("<8sHHQQ", segment.MAGIC, 2, 0, 1, 0)
    path.write_bytes(head + struct.pack("<I", crc32c(head)) + path.read_bytes()[segment.HEADER_SIZE :])
    with pytest.raises(BadInputError, match="format 2"):
        Writer(tmp_path, 4096)
    with pytest.raises(BadInputError, match="format 2"):
        read_all(tmp_path)


def test_a_write_that_fails_in_the_middle_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write(tmp_path, [b"one"])
    real = files.append

    def full(descriptor: int, data: bytes) -> None:
        real(descriptor, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "append", full)
        with pytest.raises(OSError, match="No space"):
            writer.append([(AT, b"two")])
    writer.append([(AT, b"three")])
    writer.close()
    records, corrupt = read_all(tmp_path)
    assert [(record.sequence, record.payload) for record in records] == [(1, b"one"), (2, b"three")]
    assert corrupt == []


def test_sequences_are_not_given_twice_when_the_segments_are_gone(tmp_path: Path) -> None:
    write(tmp_path, [b"one", b"two", b"three"]).close()
    cursor.store(tmp_path, 4)
    newest(tmp_path).unlink()
    write(tmp_path, [b"four"]).close()
    assert [(r.sequence, r.payload) for r in read_all(tmp_path)[0]] == [(4, b"four")]
