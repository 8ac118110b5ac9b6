"""What `make clean` deletes, and what it never touches."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from citypulse.control.clean import clean
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation


def _installation(home: Path) -> Installation:
    return Installation(checkout=home, home=home, cache=home / "cache", port_offset=0, workers=1)


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Fault, match=r"thesis\.tex") as caught:
        clean(_installation(tmp_path), sure=True)
    assert caught.value.code == Exit.BAD_INPUT
    assert (tmp_path / "thesis.tex").exists()


def test_hidden_files_of_others_are_left_alone_too(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    with pytest.raises(Fault, match=r"\.ssh"):
        clean(_installation(tmp_path), sure=True)
    assert (tmp_path / ".ssh").exists()


def test_it_says_what_it_deletes_and_deletes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    (home / "var").mkdir(parents=True)
    (home / "var" / "journal").write_bytes(b"x" * 100)
    clean(_installation(home), sure=True)
    assert not home.exists()
    assert "journals" in capsys.readouterr().out


def test_without_an_answer_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "var").mkdir()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Fault, match="YES=1") as caught:
        clean(_installation(tmp_path), sure=False)
    assert caught.value.code == Exit.BAD_INPUT
    assert (tmp_path / "var").exists()
