"""A byte of any small file may go bad on disk; it costs what it said, and never the start."""

from pathlib import Path

import pytest

from citypulse.producer import routes, spend
from citypulse.producer.errors import BadInputError
from citypulse.producer.gaps import file as gap_file
from citypulse.producer.gaps.file import GapFile, Wanted
from citypulse.producer.gaps.heard import load as heard
from citypulse.producer.journal import dropped, setaside
from citypulse.producer.journal.dropped import Dropped
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside

BAD = (b"\xff", b"{", b"\x00")


def damage(path: Path, at: int, with_byte: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:at] + with_byte + data[at + 1 :])


@pytest.mark.parametrize("byte", BAD)
def test_spans_of_what_was_dropped_beside_a_bad_one_are_kept(tmp_path: Path, byte: bytes) -> None:
    one = Dropped(tmp_path, None)
    for at in (1000, 2000, 3000):
        one.add([(at, b"x")], "disk")
        one.end()
    lines = (tmp_path / dropped.NAME).read_bytes().splitlines(keepends=True)
    damage(tmp_path / dropped.NAME, len(lines[0]) + lines[1].index(b"disk") + 1, byte)
    starts = [span.start for span in dropped.load(tmp_path)]
    assert {1000, 3000} <= set(starts)
    Dropped(tmp_path, lambda *_: None).tell()


@pytest.mark.parametrize("byte", BAD)
@pytest.mark.parametrize("name", setaside.NAMES)
def test_what_is_set_aside_beside_a_bad_line_is_kept(tmp_path: Path, name: str, byte: bytes) -> None:
    aside = SetAside(tmp_path)
    for sequence in (1, 2, 3):
        record = Record(sequence, 1000, b"x%d" % sequence)
        aside.record(record, "reason")
        aside.dead_letter(record, "reason")
        aside.corrupt("segment", sequence, record.payload, "reason")
    path = tmp_path / name
    lines = path.read_bytes().splitlines(keepends=True)
    damage(path, len(lines[0]) + lines[1].index(b"reason") + len('reason":"') + 1, byte)
    contents = [entry.content() for entry in setaside.entries(tmp_path, name)]
    assert b"x1" in contents
    assert b"x3" in contents
    setaside.trim(tmp_path, 1e6)
    assert setaside.remove(tmp_path, name, lambda entry: entry.content() == b"x3") == 1


@pytest.mark.parametrize("byte", BAD)
def test_gaps_beside_a_bad_line_are_kept(tmp_path: Path, byte: bytes) -> None:
    one = GapFile(tmp_path)
    for at, feed in enumerate(("a", "b", "c")):
        one.want(Wanted((feed,), (), ()), at)
    one.close()
    path = tmp_path / gap_file.NAME
    lines = path.read_bytes().splitlines(keepends=True)
    damage(path, len(lines[0]) + lines[1].index(b'"b"') + 1, byte)
    feeds = [wanted.feeds for wanted in GapFile(tmp_path).history]
    assert feeds[0] == ("a",)
    assert feeds[-1] == ("c",)


@pytest.mark.parametrize("byte", BAD)
def test_the_other_files_begin_anew_or_say_what_to_do(tmp_path: Path, byte: bytes) -> None:
    (tmp_path / spend.NAME).write_bytes(b'{"day":"' + byte)
    assert spend.load(tmp_path) == spend.Counts()
    (tmp_path / "heard").write_bytes(byte * 21)
    assert heard(tmp_path) is None
    (tmp_path / routes.NAME).write_bytes(b'[{"since":0,"tags":{"' + byte)
    with pytest.raises(BadInputError, match=routes.NAME):
        routes.Routes(tmp_path)
