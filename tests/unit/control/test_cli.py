"""How the commands end: one sentence and an exit code, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from citypulse.control import cli, live, status
from citypulse.control.faults import Exit, Fault

DEADLINE_S = 60


def _end(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["citypulse-control", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYPULSE_HOME", str(tmp_path / "home"))


def test_what_nobody_foresaw_is_one_sentence_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(_inst: object) -> bool:
        raise RuntimeError("the moon\nis full")

    monkeypatch.setattr(status, "show", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert _end(monkeypatch, "status") == Exit.FAULT
    said = capsys.readouterr().err
    assert "RuntimeError: the moon is full" in said
    assert "Traceback" not in said
    (report,) = tmp_path.glob("citypulse-*.log")
    assert str(report) in said
    assert "Traceback" in report.read_text()


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [("logs", "SERVICE", "nothing"), ("verify", "RUN", "nothing"), ("up", "PORT_OFFSET", "x")],
)
def test_what_does_not_exist_is_bad_input(
    monkeypatch: pytest.MonkeyPatch, command: str, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)
    assert _end(monkeypatch, command) == Exit.BAD_INPUT


def test_where_nothing_runs_there_is_no_log_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SERVICE", raising=False)
    monkeypatch.setattr("sys.argv", ["citypulse-control", "logs"])
    cli.main()
    assert "Nothing runs" in capsys.readouterr().out


def test_clean_on_an_empty_machine_makes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["citypulse-control", "clean"])
    cli.main()
    assert not (tmp_path / "home").exists()


def test_a_token_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "token"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Fault, match="X_BEARER_TOKEN_FILE=") as caught:
        live.from_environment({"X_BEARER_TOKEN_FILE": str(binary), "COUNTRIES": "CA"})
    assert caught.value.code == Exit.BAD_INPUT


@pytest.fixture
def interrupted(tmp_path: Path) -> Callable[[str], None]:
    """Runs a command whose playbook is a shell script, and ends that command alone once the script began."""

    def run(script: str) -> None:
        playbook = tmp_path / "ansible-playbook"
        playbook.write_text(f"#!/bin/sh\n{script}\n")
        playbook.chmod(0o755)
        program = (
            "import sys; from pathlib import Path; from citypulse.control import cli, playbook\n"
            f"sys.executable = {str(tmp_path / 'python')!r}\n"
            f"sys.argv = ['citypulse-control', 'status']\n"
            "playbook.ENDING_S = 1.0\n"
            "cli.status.show = lambda inst: playbook.play(inst, 'site', {})\n"
            "cli.main()\n"
        )
        command = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "VARS": ""})
        _until((tmp_path / "began").exists, "the playbook begins")
        command.send_signal(signal.SIGTERM)
        assert command.wait(DEADLINE_S) == 130

    return run


def test_who_ends_the_command_alone_ends_its_playbook_too(
    tmp_path: Path, interrupted: Callable[[str], None]
) -> None:
    """No playbook goes on behind the lock of a command that is gone."""
    mark = tmp_path / "ended"
    interrupted(
        f"trap 'echo yes >{mark}; exit 99' INT\necho here >{tmp_path / 'began'}\n"
        "i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done"
    )
    assert mark.exists()


def test_a_playbook_that_never_heard_of_the_interrupt_is_ended_with_its_workers(
    tmp_path: Path, interrupted: Callable[[str], None]
) -> None:
    worker = tmp_path / "began"
    interrupted(
        f"trap '' INT\nsetsid sh -c 'echo $$ >{worker}.new; mv {worker}.new {worker}; exec sleep 300'"
    )
    pid = int(worker.read_text())
    _until(lambda: _has_ended(pid), "the worker ends")


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        time.sleep(0.05)
