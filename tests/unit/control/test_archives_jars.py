"""A server's archive holds exactly the jars that the lock names, or there is none."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from citypulse.control.archives import jars, lock, tars
from citypulse.control.archives.manifest import Archive
from citypulse.control.faults import Exit, Fault
from tests.unit.control.archives_fakes import COMPONENT, JARS, Machine, SilentTask, sha256


def make(machine: Machine) -> Archive:
    shop = machine.shop()
    return jars.archive(machine.pom, lock.read(shop.lock_file), shop, SilentTask())


def test_the_archive_holds_the_locked_jars_under_the_components_name(machine: Machine) -> None:
    archive = make(machine)
    assert (archive.component, archive.version) == ("kafka", "9.9.1")
    assert tars.contents(Path(archive.path)) == {
        f"{COMPONENT}/lib/{name}": sha256(content) for name, content in JARS.items()
    }
    assert archive.sha256 == sha256(Path(archive.path).read_bytes())


def test_a_jar_with_a_wrong_checksum_is_named(machine: Machine) -> None:
    (machine.jars / "tools.jar").write_bytes(b"something else")
    with pytest.raises(Fault, match=rf"{COMPONENT}/lib/tools\.jar has a wrong checksum") as caught:
        make(machine)
    assert caught.value.code == Exit.FAULT
    assert not list(machine.cache.glob("archives/*.tar"))


def test_a_jar_of_the_lock_that_did_not_come_is_named(machine: Machine) -> None:
    (machine.jars / "zookeeper.jar").unlink()
    with pytest.raises(Fault, match=r"zookeeper\.jar is in archives.lock but was not fetched"):
        make(machine)


def test_a_jar_that_the_lock_does_not_know_is_named(machine: Machine) -> None:
    (machine.jars / "stowaway.jar").write_bytes(b"who asked for it?")
    with pytest.raises(Fault, match=r"stowaway\.jar was fetched but is not in archives.lock"):
        make(machine)


def test_two_builds_are_equal_to_the_byte(machine: Machine, tmp_path: Path) -> None:
    first = Path(make(machine).path).read_bytes()
    machine.cache = tmp_path / "another-cache"
    for jar in machine.jars.glob("*.jar"):
        jar.touch()
        jar.chmod(0o600)
    assert Path(make(machine).path).read_bytes() == first


def test_no_trace_of_the_builder_is_in_the_tar(machine: Machine) -> None:
    with tarfile.open(make(machine).path) as tar:
        entries = tar.getmembers()
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {(0, 0, 0, "", "", 0o644)}


def test_what_the_cache_has_needs_no_maven(machine: Machine) -> None:
    first = make(machine)
    (machine.bin / "mvn").write_text("#!/bin/sh\nexit 1\n")
    assert make(machine) == first


def test_a_tar_that_was_damaged_in_the_cache_is_made_again(machine: Machine) -> None:
    archive = make(machine)
    whole = Path(archive.path).read_bytes()
    Path(archive.path).write_bytes(whole.replace(b"the keeper", b"the looter"))
    assert make(machine) == archive
    assert Path(archive.path).read_bytes() == whole


def test_a_damaged_tar_is_noticed_even_where_its_own_record_agrees(machine: Machine) -> None:
    archive = Path(make(machine).path)
    whole = archive.read_bytes()
    forged = whole.replace(b"the keeper", b"the looter")
    archive.write_bytes(forged)
    archive.with_name(archive.name + ".sha256").write_text(f"{sha256(forged)}  {archive.name}\n")
    make(machine)
    assert archive.read_bytes() == whole


def test_a_changed_lock_is_checked_although_the_cache_has_a_tar(machine: Machine) -> None:
    make(machine)
    machine.lock({**JARS, "tools.jar": b"another release"})
    with pytest.raises(Fault, match=r"tools\.jar has a wrong checksum"):
        make(machine)


def test_only_the_tars_used_last_are_kept(machine: Machine) -> None:
    for release in range(4):
        machine.pom.write_text(f"<project><!-- {release} --></project>")
        newest = make(machine)
    kept = sorted(path.name for path in machine.cache.glob("archives/*.tar"))
    assert len(kept) == tars.KEPT
    assert Path(newest.path).name in kept
    assert len(list(machine.cache.glob("archives/*.sha256"))) == tars.KEPT


def test_when_maven_fails_its_last_lines_are_shown(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MAVEN", "fails")
    with pytest.raises(Fault, match=f"Maven could not fetch the jars of {COMPONENT}") as caught:
        make(machine)
    assert "the repository is out of reach" in caught.value.detail


def test_without_maven_the_fault_says_who_installs_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.home))
    with pytest.raises(Fault, match=r"bootstrap\.sh"):
        make(machine)


@pytest.mark.parametrize(
    "line",
    [
        "not a line",
        "abc  kafka/lib/x.jar",
        f"{'0' * 64} one-space.jar",
        f"{'0' * 64}  a.jar\n{'1' * 64}  a.jar",
    ],
)
def test_a_lock_that_cannot_be_read_is_bad_input_and_its_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "archives.lock"
    path.write_text(line + "\n")
    with pytest.raises(Fault, match=r"archives\.lock, line [12]") as caught:
        lock.read(path)
    assert caught.value.code == Exit.BAD_INPUT
