"""Several builds, killed builds: the cache shows whole archives or none."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from citypulse.control.archives import cache
from citypulse.control.faults import Exit, Fault
from tests.unit.control.archives_fakes import Machine

DEADLINE = 120.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"after {DEADLINE:.0f} s still not: {what}"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture
def services(machine: Machine) -> None:
    for name in ("producer", "replay", "spark", "board"):
        machine.distribution(name)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("services")
def test_an_interrupted_build_leaves_no_archive_and_no_child(machine: Machine, how: signal.Signals) -> None:
    build = machine.start("build", FAKE_MAVEN="hangs")
    marker = machine.jars / "pid"
    until(lambda: marker.exists() and marker.read_text().strip() != "", "Maven runs")
    maven = int(marker.read_text())
    build.send_signal(how)
    _, err = build.communicate(timeout=DEADLINE)
    assert build.returncode != 0
    assert "Traceback" not in err
    until(lambda: not alive(maven), "Maven is gone")
    assert not list(machine.cache.glob("archives/kafka*"))
    assert not (machine.home / "archives.json").exists()


@pytest.mark.usefixtures("services")
def test_what_a_killed_build_left_is_swept_away_by_the_next(machine: Machine) -> None:
    build = machine.start("build", FAKE_MAVEN="hangs")
    marker = machine.jars / "pid"
    until(lambda: marker.exists() and marker.read_text().strip() != "", "Maven runs")
    build.kill()
    build.communicate(timeout=DEADLINE)
    os.killpg(int(marker.read_text()), signal.SIGKILL)
    assert list(machine.cache.glob("tmp/kafka*")), "the killed build leaves its temporary directory"
    code, out, err = machine.run("build")
    assert (code, err) == (0, "")
    assert "5 archives" in out
    assert not list(machine.cache.glob("tmp/*"))
    assert (machine.home / "archives.json").exists()


@pytest.mark.usefixtures("services")
def test_a_second_build_waits_for_the_first_and_says_so(machine: Machine) -> None:
    said: list[str] = []
    with cache.exclusive(machine.cache, said.append):
        second = machine.start("build")
        assert second.stdout is not None
        first_line = second.stdout.readline()
        assert "another build is using" in first_line
        assert second.poll() is None
    out, err = second.communicate(timeout=DEADLINE)
    assert (second.returncode, err) == (0, "")
    assert "5 archives" in out
    assert said == []


def test_waiting_for_another_build_ends_in_a_sentence(tmp_path: Path) -> None:
    with (
        cache.exclusive(tmp_path, print),
        pytest.raises(Fault, match="Another build"),
        cache.exclusive(tmp_path, print, longest_wait=0.1),
    ):
        pass


def test_a_cache_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(Fault, match=r"CITYPULSE_CACHE=.* cannot be written") as caught,
        cache.exclusive(tmp_path / "file" / "cache", print),
    ):
        pass
    assert caught.value.code == Exit.BAD_INPUT


@pytest.mark.usefixtures("services")
def test_the_command_ends_with_one_sentence_and_the_exit_code(machine: Machine) -> None:
    (machine.jars / "tools.jar").write_bytes(b"something else")
    code, _, err = machine.run("build")
    assert code == 1
    assert err.startswith("archives: kafka-9.9.1/lib/tools.jar has a wrong checksum")
    assert err.count("\n") == 1


def test_lock_writes_what_the_next_build_accepts(machine: Machine) -> None:
    (machine.jars / "tools.jar").write_bytes(b"a new release")
    code, out, err = machine.run("lock")
    assert (code, err) == (0, "")
    assert "3 jars" in out
    for name in ("producer", "replay", "spark", "board"):
        machine.distribution(name)
    assert machine.run("build")[0] == 0
