"""What could not be used is kept, for a while, and stops nothing."""

from pathlib import Path

import pytest

from citypulse.producer import metrics
from citypulse.producer.journal import setaside
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import DEAD_LETTERS, QUARANTINE, SET_ASIDE, SetAside

from . import disk as disks

RECORD = Record(7, 1_700_000_000_000, b"\xff no JSON")
ROOT = Path("/journal")


def test_each_of_the_three_has_its_file_with_reason_and_bytes(tmp_path: Path) -> None:
    aside = SetAside(tmp_path)
    aside.record(RECORD, "no post")
    aside.dead_letter(RECORD, "too large")
    aside.corrupt("1.segment", 32, b"\x00\xff", "its CRC does not fit")
    for name, reason in ((SET_ASIDE, "no post"), (DEAD_LETTERS, "too large")):
        (entry,) = setaside.entries(tmp_path, name)
        assert (entry.sequence, entry.at, entry.reason, entry.content()) == (*RECORD[:2], reason, RECORD[2])
    (entry,) = setaside.entries(tmp_path, QUARANTINE)
    assert (entry.segment, entry.offset, entry.length, entry.content()) == ("1.segment", 32, 2, b"\x00\xff")


def test_bytes_that_are_met_again_are_kept_once(tmp_path: Path) -> None:
    aside = SetAside(tmp_path)
    for _ in range(3):
        aside.corrupt("1.segment", 32, b"\x00", "its CRC does not fit")
    aside.corrupt("1.segment", 32, b"\x01", "its CRC does not fit")
    aside.corrupt("1.segment", 32, b"\x00", "set aside by repair", (3, 4))
    assert [(e.content(), e.sequences) for e in setaside.entries(tmp_path, QUARANTINE)] == [
        (b"\x01", None),
        (b"\x00", (3, 4)),
    ]


def test_a_full_disk_costs_the_entry_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = disks.install(monkeypatch, ROOT)
    aside = SetAside(ROOT)
    aside.record(RECORD, "fits")
    before = metrics.registry.get_sample_value("citypulse_producer_not_set_aside_total", {"file": SET_ASIDE})
    disk.capacity = disk.used() + 10
    aside.record(RECORD, "does not fit")
    aside.dead_letter(RECORD, "does not fit")
    disk.capacity = None
    aside.record(RECORD, "fits again")
    assert [entry.reason for entry in setaside.entries(ROOT, SET_ASIDE)] == ["fits", "fits again"]
    after = metrics.registry.get_sample_value("citypulse_producer_not_set_aside_total", {"file": SET_ASIDE})
    assert (after or 0) - (before or 0) == 1


def test_a_line_that_a_crash_tore_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    aside = SetAside(tmp_path)
    aside.record(RECORD, "one")
    with (tmp_path / SET_ASIDE).open("ab") as file:
        file.write(b'{"kept":17')
    aside.record(RECORD, "two")
    assert [entry.reason for entry in setaside.entries(tmp_path, SET_ASIDE)] == ["one", "two"]


def test_a_file_is_bounded_in_bytes_and_the_newest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setaside, "MAX_BYTES", 5000)
    aside = SetAside(tmp_path)
    for number in range(200):
        aside.record(RECORD, f"number {number}")
    reasons = [entry.reason for entry in setaside.entries(tmp_path, SET_ASIDE)]
    assert reasons == [f"number {number}" for number in range(200 - len(reasons), 200)]
    assert (tmp_path / SET_ASIDE).stat().st_size < 5500
    assert len(reasons) > 10


def test_a_file_is_bounded_in_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aside = SetAside(tmp_path)
    now = setaside._now()
    for name, days in (("old", 8), ("new", 6)):
        monkeypatch.setattr(setaside, "_now", lambda days=days: now - days * 86_400_000)
        aside.record(RECORD, name)
    monkeypatch.setattr(setaside, "_now", lambda: now)
    setaside.trim(tmp_path, 7 * 86400)
    assert [entry.reason for entry in setaside.entries(tmp_path, SET_ASIDE)] == ["new"]
