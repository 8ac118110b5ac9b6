"""What a person sees of a playbook."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from citypulse.control import playbook
from citypulse.control.faults import Fault
from citypulse.control.installation import Installation


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a playbook that tells these events and ends with this code."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.delenv("VARS", raising=False)

    def run(*events: dict[str, object], code: int) -> int:
        told = tmp_path / "events"
        told.write_text("".join(json.dumps(event) + "\n" for event in events))
        program = tmp_path / "ansible-playbook"
        program.write_text(f"#!/bin/sh\ncat {told} >/dev/fd/$CITYPULSE_PROGRESS_FD\nenv\nexit {code}\n")
        program.chmod(0o755)
        (tmp_path / "infra" / "ansible").mkdir(parents=True)
        inst = Installation(tmp_path, tmp_path / "home", tmp_path / "cache", port_offset=0, workers=1)
        return playbook.play(inst, "site", {})

    return run


def test_the_lines_of_a_log_are_shown_as_they_stand(
    play: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A server writes brackets, which are not ours to read as colours."""
    log = "remove properties [no_such_setting]\n  | connection to [/127.0.0.1:9092] refused"
    with pytest.raises(Fault, match=r"site\.yml stopped"):
        play({"play": "Start the servers"}, {"failed": log, "host": "cassandra1", "task": "wait"}, code=2)
    assert log in capsys.readouterr().out


def test_a_playbook_that_ends_well_tells_how_much_it_changed(play: Callable[..., int]) -> None:
    assert play({"play": "Start the servers"}, {"changed": 7}, code=0) == 7


def test_ansible_keeps_its_own_files_in_the_home(play: Callable[..., int], tmp_path: Path) -> None:
    play(code=0)
    output = (tmp_path / "home" / "log" / "ansible-site.log").read_text()
    assert f"\nANSIBLE_HOME={tmp_path / 'home' / 'run'}/" in output
    assert f"\nANSIBLE_REMOTE_TMP={tmp_path / 'home' / 'run'}/" in output
