"""Archives of files that come from Debian's packages."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from citypulse.control.archives import debian
from citypulse.control.archives.debian import Content
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT
from tests.unit.control.archives_fakes import Machine, SilentTask

CONTENT = Content("tool", ("usr/bin/tool",))

APT = """#!/bin/sh
# Offers what $FAKE_APT/offer says once the lists were read; a package's file is there while $FAKE_APT/deb is.
for last; do :; done
case "$*" in
  *" update") cp "$FAKE_APT/next" "$FAKE_APT/offer"; echo update >>"$FAKE_APT/log" ;;
  *--print-uris*) [ -e "$FAKE_APT/offer" ] && cat "$FAKE_APT/offer" || exit 100 ;;
  *" download "*) echo download >>"$FAKE_APT/log"; cp "$FAKE_APT/deb" "$last.deb" || exit 100 ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin" && cp "$2" "$3/usr/bin/tool" && chmod 755 "$3/usr/bin/tool"
"""


class Apt:
    """Debian's archive, with one package."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = machine.bin.parent / "apt"
        self.directory.mkdir()
        for name, text in (("apt-get", APT), ("dpkg-deb", DPKG)):
            (machine.bin / name).write_text(text)
            (machine.bin / name).chmod(0o755)
        for key, value in machine.environment.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("FAKE_APT", str(self.directory))

    def offer(self, version: str, digest: str) -> None:
        line = f"'uri' tool_{version}_amd64.deb 12 SHA256:{digest * 64}\n"
        (self.directory / "next").write_text(line)
        (self.directory / "deb").write_text(f"the tool {version}")

    @property
    def log(self) -> list[str]:
        return (self.directory / "log").read_text().split()


@pytest.fixture
def apt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Apt:
    made = Apt(machine, monkeypatch)
    made.offer("1.2+b1", "a")
    return made


def test_its_files_are_packed_once_and_may_be_executed(machine: Machine, apt: Apt) -> None:
    first = debian.archive("tool", CONTENT, machine.shop(), SilentTask())
    assert (first.component, first.version) == ("tool", "1.2+b1")
    with tarfile.open(first.path) as tar:
        (entry,) = tar.getmembers()
        assert (entry.name, entry.mode) == ("tool/bin/tool", 0o755)
    assert debian.archive("tool", CONTENT, machine.shop(), SilentTask()) == first
    assert apt.log == ["update", "download"]


def test_a_program_looks_where_it_is_started_for_what_was_compiled_into_it(
    machine: Machine, apt: Apt
) -> None:
    """Its text stays as long as it was, and a path may hold as many slashes as it likes."""
    deb = apt.directory / "deb"
    deb.write_text("reads /usr/share/tool/data/default.tmpl\0")
    content = Content("tool", ("usr/bin/tool",), ("/usr/share/tool/data",))
    made = debian.archive("tool", content, machine.shop(), SilentTask())
    with tarfile.open(made.path) as tar:
        (entry,) = tar.getmembers()
        program = tar.extractfile(entry)
        assert program is not None
        assert program.read() == b"reads /proc/self/cwd" + b"/" * 6 + b"/default.tmpl\0"
        assert entry.mode == 0o755
    assert debian.archive("tool", CONTENT, machine.shop(), SilentTask()).sha256 != made.sha256


def test_a_version_that_is_gone_is_not_missed(machine: Machine, apt: Apt) -> None:
    """The lists are old, and their version is in the archive no more."""
    (apt.directory / "offer").write_text((apt.directory / "next").read_text())
    deb = apt.directory / "deb"
    gone = deb.rename(apt.directory / "later")
    apt_get = machine.bin / "apt-get"
    apt_get.write_text(APT.replace("echo update", f'mv "{gone}" "{deb}"; echo update'))
    assert debian.archive("tool", CONTENT, machine.shop(), SilentTask()).version == "1.2+b1"
    assert apt.log == ["download", "update", "download"]


def test_a_package_that_nobody_has_is_named(machine: Machine, apt: Apt) -> None:
    (apt.directory / "next").write_text("")
    with pytest.raises(Fault, match="tool is in none of the archives"):
        debian.archive("tool", CONTENT, machine.shop(), SilentTask())


def test_without_apt_the_way_out_is_named(
    machine: Machine, apt: Apt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Fault, match="use a Debian") as raised:
        debian.archive("tool", CONTENT, machine.shop(), SilentTask())
    assert raised.value.code == Exit.BAD_INPUT


def test_the_list_names_archive_package_and_files(tmp_path: Path) -> None:
    listed = tmp_path / "debian.txt"
    assert debian.contents(listed) == {}
    listed.write_text(
        "# said\n\ntool tool-package usr/bin/a usr/bin/b\nother o usr/bin/o /usr/share/o usr/share/o/x\n"
    )
    assert debian.contents(listed) == {
        "tool": Content("tool-package", ("usr/bin/a", "usr/bin/b")),
        "other": Content("o", ("usr/bin/o", "usr/share/o/x"), ("/usr/share/o",)),
    }


def test_each_directory_that_the_list_relocates_has_room_for_its_new_name() -> None:
    for content in debian.contents(CHECKOUT / "archives" / "debian.txt").values():
        assert all(len(directory) >= len("/proc/self/cwd") for directory in content.built_in)
