"""What a person can do with a journal: ls, verify, export, repair."""

import base64
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.producer.cli import main
from citypulse.producer.errors import BadInputError, StopError
from citypulse.producer.journal import cursor, segment, setaside
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.journal.tools import repair, verify
from citypulse.producer.journal.writer import Writer

AT = 1_700_000_000_000


def payload(number: int) -> bytes:
    return json.dumps({"data": {"id": str(number), "text": "é"}}).encode()


def write(directory: Path, count: int = 10, segment_bytes: int = 200) -> None:
    writer = Writer(directory, segment_bytes)
    for _ in range(count):
        number = writer.next_sequence
        writer.append([(AT + number * 1000, payload(number))])
    writer.close()


def journal(*arguments: str | Path, code: int = 0) -> str:
    result = click.testing.CliRunner().invoke(main, ["journal", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def payloads(directory: Path) -> list[bytes]:
    reader = Reader(directory, 0, lambda *_: None)
    found = [record.payload for record in reader.read(None, 1000, 1 << 30)]
    reader.close()
    return found


def oldest(directory: Path) -> Path:
    return segment.paths(directory)[0][1]


def newest(directory: Path) -> Path:
    return segment.paths(directory)[-1][1]


def change(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x55
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name", [["journal", each] for each in ("ls", "verify", "export", "repair")] + [["forget"]]
)
def test_every_command_helps_with_examples(name: list[str]) -> None:
    result = click.testing.CliRunner().invoke(main, [*name, "--help"])
    assert result.exit_code == 0
    assert "Examples:" in result.output
    assert "Exit codes:" in result.output


class TestLs:
    def test_it_lists_segments_cursor_and_what_was_set_aside(self, tmp_path: Path) -> None:
        write(tmp_path)
        cursor.store(tmp_path, 6)
        SetAside(tmp_path).dead_letter(Record(1, AT, b"x"), "too large")
        listed = json.loads(journal("ls", "--dir", tmp_path, "--json"))
        assert [one["name"] for one in listed["segments"]] == [p.name for _, p in segment.paths(tmp_path)]
        assert [one["acknowledged"] for one in listed["segments"]] == ["yes", "yes", "partly", "no", "no"]
        assert [one["records"] for one in listed["segments"]] == [2, 2, 2, 2, 2]
        assert listed["bytes"] == sum(path.stat().st_size for _, path in segment.paths(tmp_path))
        assert (listed["records"], listed["cursor"], listed["unacknowledged"]) == (10, 6, 5)
        assert listed["set_aside"] == {"quarantine.jsonl": 0, "dead-letters.jsonl": 1, "set-aside.jsonl": 0}
        assert listed["producer"] is None

    def test_its_last_line_is_the_total_and_says_who_writes(self, tmp_path: Path) -> None:
        write(tmp_path)
        writer = Writer(tmp_path, 200)
        total = journal("ls", "--dir", tmp_path).splitlines()[-1]
        writer.close()
        assert total.startswith("total: 5 segments, 10 records, ")
        assert f"cursor none, 10 not acknowledged; written by process {os.getpid()}" in total

    def test_a_directory_without_a_journal_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match=r"journal\.dir = .* holds no journal"):
            click.testing.CliRunner().invoke(
                main.commands["journal"], ["ls", "--dir", str(tmp_path)], catch_exceptions=False
            )


class TestVerify:
    def test_a_sound_journal_is_sound_while_it_is_written_too(self, tmp_path: Path) -> None:
        write(tmp_path)
        writer = Writer(tmp_path, 200)
        with newest(tmp_path).open("ab") as file:
            file.write(segment.encode(11, AT, b"being written")[:20])
        assert "10 records (0 forgotten)" in journal("verify", "--dir", tmp_path)
        writer.close()
        assert "the tail is torn: 20 bytes" in journal("verify", "--dir", tmp_path, code=1)

    def test_each_fault_is_said_with_segment_and_offset(self, tmp_path: Path) -> None:
        write(tmp_path, segment_bytes=4096)
        path = newest(tmp_path)
        second = segment.HEADER_SIZE + segment.RECORD_SIZE + len(payload(1))
        change(path, second + 30)
        length = segment.RECORD_SIZE + len(payload(2))
        lines = journal("verify", "--dir", tmp_path, code=1).splitlines()
        assert lines[0] == f"{path.name} at {second}: no sound record: {length} bytes"
        assert lines[1] == f"{path.name} at {second + length}: records 2 to 2 are not there"
        assert lines[2].endswith("2 faults")

    def test_a_segment_that_is_gone_is_missed_unless_kafka_has_it(self, tmp_path: Path) -> None:
        write(tmp_path)
        segment.paths(tmp_path)[1][1].unlink()
        assert "records 3 to 4 are not there" in journal("verify", "--dir", tmp_path, code=1)
        cursor.store(tmp_path, 5)
        assert "sound" in journal("verify", "--dir", tmp_path)

    @pytest.mark.parametrize(
        ("damage", "said"),
        [
            (lambda d: change(d / "cursor", 3), "the cursor is unsound"),
            (lambda d: os.truncate(d / "cursor", 10), "the cursor is unsound"),
            (lambda d: cursor.store(d, 50), "the cursor is beyond the journal's last record"),
            (lambda d: change(newest(d), 2), "the header is unsound"),
            (lambda d: newest(d).rename(d / segment.name(70)), "begins with record 9"),
        ],
    )
    def test_cursor_and_header_are_looked_at(
        self, tmp_path: Path, damage: Callable[[Path], object], said: str
    ) -> None:
        write(tmp_path)
        cursor.store(tmp_path, 3)
        damage(tmp_path)
        assert said in journal("verify", "--dir", tmp_path, code=1)


class TestExport:
    def test_payloads_come_out_byte_for_byte(self, tmp_path: Path) -> None:
        write(tmp_path)
        output = tmp_path / "out.jsonl"
        journal("export", "--dir", tmp_path, "--out", output)
        assert output.read_bytes() == b"".join(payload(n) + b"\n" for n in range(1, 11))
        assert output.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        ("bounds", "expected"),
        [
            (["--from", "4", "--to", "7"], [4, 5, 6]),
            (["--from", "2023-11-14T22:13:28Z"], [8, 9, 10]),
            (["--to", "2023-11-14T22:13:23"], [1, 2]),
            (["--from", "2023-11-14T23:13:25+01:00", "--to", "7"], [5, 6]),
        ],
    )
    def test_from_and_to_are_sequences_or_times(
        self, tmp_path: Path, bounds: list[str], expected: list[int]
    ) -> None:
        write(tmp_path)
        output = tmp_path / "out.jsonl"
        journal("export", "--dir", tmp_path, "--out", output, *bounds)
        assert output.read_bytes().splitlines() == [payload(number) for number in expected]

    def test_meta_tells_sequence_and_time_and_what_is_no_json(self, tmp_path: Path) -> None:
        writer = Writer(tmp_path, 4096)
        writer.append([(AT, payload(1)), (AT + 5, b"\xff{")])
        writer.close()
        output = tmp_path / "out.jsonl"
        journal("export", "--dir", tmp_path, "--out", output, "--with-meta")
        first, second = map(json.loads, output.read_text().splitlines())
        assert first == {"sequence": 1, "at": AT, "payload": json.loads(payload(1))}
        assert (second["sequence"], second["at"]) == (2, AT + 5)
        assert base64.b64decode(second["base64"]) == b"\xff{"

    def test_what_is_unsound_on_the_way_is_said_with_exit_code_1(self, tmp_path: Path) -> None:
        write(tmp_path)
        change(oldest(tmp_path), segment.HEADER_SIZE + 30)
        output = tmp_path / "out.jsonl"
        said = journal("export", "--dir", tmp_path, "--out", output, code=1)
        assert said == "9 exported, 1 stretches are unsound\n"

    def test_what_was_deleted_since_kafka_has_it_is_no_fault(self, tmp_path: Path) -> None:
        write(tmp_path)
        oldest(tmp_path).unlink()
        output = tmp_path / "out.jsonl"
        assert journal("export", "--dir", tmp_path, "--from", "1", "--out", output).startswith("8 exported")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--from", "yesterday"], "neither a sequence nor a time"),
            (["--out", "/dev/null"], "cannot be made"),
        ],
    )
    def test_bad_input_is_named(self, tmp_path: Path, arguments: list[str], said: str) -> None:
        write(tmp_path)
        command = main.commands["journal"]
        with pytest.raises(BadInputError, match=said):
            click.testing.CliRunner().invoke(
                command, ["export", "--dir", str(tmp_path), *arguments], catch_exceptions=False
            )


class TestRepair:
    def test_a_sound_journal_is_left_alone(self, tmp_path: Path) -> None:
        write(tmp_path)
        cursor.store(tmp_path, 3)
        before = {path: path.read_bytes() for path in tmp_path.glob("*.segment")}
        assert journal("repair", "--dir", tmp_path) == "0 things done: sound\n"
        assert {path: path.read_bytes() for path in tmp_path.glob("*.segment")} == before

    def test_a_dry_run_says_the_same_and_changes_nothing(self, tmp_path: Path) -> None:
        write(tmp_path)
        change(oldest(tmp_path), segment.HEADER_SIZE + 30)
        os.truncate(newest(tmp_path), newest(tmp_path).stat().st_size - 3)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        would = journal("repair", "--dir", tmp_path, "--dry-run", code=1).splitlines()
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        done = journal("repair", "--dir", tmp_path).splitlines()
        assert [line.removeprefix("would be: ") for line in would[:-1]] == done[:-1]
        assert len(would) > 3

    def test_what_is_no_record_is_set_aside_with_its_place_and_its_sequences(self, tmp_path: Path) -> None:
        write(tmp_path)
        cursor.store(tmp_path, 1)
        path = oldest(tmp_path)
        data = path.read_bytes()
        change(path, segment.HEADER_SIZE + 30)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        damaged = path.read_bytes()
        journal("repair", "--dir", tmp_path)
        (entry,) = setaside.entries(tmp_path, setaside.QUARANTINE)
        assert (entry.segment, entry.offset, entry.sequences) == (path.name, segment.HEADER_SIZE, (1, 1))
        assert entry.content() == damaged[entry.offset : entry.offset + entry.length]
        assert path.read_bytes() == data[:32] + data[entry.offset + entry.length :]
        assert path.stat().st_mtime == 1_000_000_000, "its age must not begin anew"
        assert payloads(tmp_path) == [payload(number) for number in range(2, 11)]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda d: (d / "cursor").unlink(),
            lambda d: change(d / "cursor", 3),
            lambda d: os.truncate(d / "cursor", 10),
            lambda d: (d / "cursor").write_bytes(b""),
        ],
    )
    def test_a_lost_cursor_begins_again_at_the_oldest_record(
        self, tmp_path: Path, damage: Callable[[Path], object]
    ) -> None:
        write(tmp_path)
        oldest(tmp_path).unlink()
        cursor.store(tmp_path, 7)
        damage(tmp_path)
        assert "cursor: set to 3" in journal("repair", "--dir", tmp_path)
        assert cursor.load(tmp_path) == 3

    def test_a_cursor_of_another_journal_begins_again_too(self, tmp_path: Path) -> None:
        write(tmp_path / "one")
        cursor.store(tmp_path / "one", 7)
        path = tmp_path / "one" / "cursor"
        body = bytearray(path.read_bytes()[:28])
        struct.pack_into("<H", body, 10, struct.unpack_from("<H", body, 10)[0] ^ 1)
        path.write_bytes(body + struct.pack("<I", crc32c(body)))
        assert "another journal" in journal("verify", "--dir", tmp_path / "one", code=1)
        journal("repair", "--dir", tmp_path / "one")
        assert cursor.load(tmp_path / "one") == 1

    def test_a_missing_header_is_made(self, tmp_path: Path) -> None:
        write(tmp_path)
        for _, path in segment.paths(tmp_path)[:2]:
            change(path, 5)
        assert "with a new header" in journal("repair", "--dir", tmp_path)
        assert payloads(tmp_path) == [payload(number) for number in range(1, 11)]

    def test_it_is_refused_while_a_producer_runs(self, tmp_path: Path) -> None:
        write(tmp_path)
        writer = Writer(tmp_path, 200)
        for dry_run in (False, True):
            with pytest.raises(StopError, match=f"in use by process {os.getpid()}"):
                list(repair.repair(tmp_path, dry_run))
        writer.close()

    @given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=6), st.integers(0, 40))
    @settings(deadline=None)
    def test_whatever_is_damaged_the_rest_is_sound_afterwards_and_no_sound_record_is_lost(
        self, tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[int, float]], torn: int
    ) -> None:
        directory = tmp_path_factory.mktemp("journal")
        write(directory)
        for number, share in damages:
            path = segment.paths(directory)[number][1]
            change(path, int(share * (path.stat().st_size - 1)))
        os.truncate(newest(directory), newest(directory).stat().st_size - torn)
        readable = payloads(directory)
        list(repair.repair(directory, dry_run=False))
        assert verify.verify(directory).findings == []
        assert payloads(directory) == readable
        assert list(repair.repair(directory, dry_run=False)) == []
        # A producer goes on from there.
        writer = Writer(directory, 200)
        writer.append([(AT, b"after")])
        writer.close()
        assert payloads(directory) == [*readable, b"after"]
