"""How a load test ends, what it does to other runs, and how it follows locust."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT, Installation
from citypulse.control.loadtest import command
from citypulse.control.loadtest.asked import Asked
from citypulse.control.loadtest.sending import sending
from citypulse.control.services import Service

from .made import process, result

LAST = Asked(200, 60, last=True)
LINE = {"at": 20.0, "planned": 10, "sent": 10, "taken": 10, "failed": 0, "late_s": 0.0}
TIMES = {"p50": 0.0, "p95": 0.0, "p99": 0.0, "most": 0.1}
WHOLE = {
    "began": 1.0,
    "planned": 10,
    "sent": 10,
    "taken": 10,
    "failed": 0,
    "requests": 10,
    "late_requests": 0,
    "late_s": TIMES,
    "answered_s": TIMES,
    "reasons": {},
}


@pytest.fixture
def inst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.delenv("VARS", raising=False)
    home = tmp_path / "home"
    (home / "log").mkdir(parents=True)
    return Installation(CHECKOUT, home, tmp_path / "cache", port_offset=0, workers=1)


def test_the_last_one_is_judged_again_with_the_limits_as_they_are_now(
    inst: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inst.home / "reports").mkdir()
    path = command._save(inst, result(process("kafka1", 0.2, 100)))
    command.loadtest(inst, LAST)
    assert "It passes" in path.with_suffix(".html").read_text()

    low = tmp_path / "low.yml"
    low.write_text(yaml.safe_dump({"citypulse_limits": {"kafka": {"memory_mb": 110}}}))
    monkeypatch.setenv("VARS", str(low))
    with pytest.raises(Fault) as caught:
        command.loadtest(inst, LAST)
    assert caught.value.code == Exit.FAULT
    assert caught.value.sentence.startswith(
        "kafka1 had 100 MB resident at its peak, 91% of its limit of 110 MB"
    )
    assert caught.value.sentence in path.with_suffix(".html").read_text()


def test_without_a_last_one_there_is_nothing_to_judge(inst: Installation) -> None:
    with pytest.raises(Fault, match="there was no load test here") as caught:
        command.loadtest(inst, LAST)
    assert caught.value.code == Exit.BAD_INPUT


def test_of_several_faults_the_first_is_the_sentence_and_the_others_stand_above(
    inst: Installation, tmp_path: Path
) -> None:
    with pytest.raises(Fault) as caught:
        command._judge(result(proof="It does not hold.", taken=11_000), {}, tmp_path / "report.html")
    assert caught.value.sentence == "It does not hold."
    assert caught.value.detail.startswith("citypulse: 1,000 of 12,000 planned tweets were not accepted")


def test_other_named_runs_stand_still_and_the_live_one_goes_on(
    inst: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["kafka1", "producer-demo", "producer-live", "replay-demo", "spark-job-demo", "spark-job-live"]
    known = [Service(name, "RUNNING", 5, 0, 0, Path()) for name in names]
    stopped: list[str] = []
    monkeypatch.setattr(command, "services", lambda _inst: known)
    monkeypatch.setattr(command, "stop", lambda _inst, name: stopped.append(name))
    command._let_others_stand(inst)
    assert stopped == ["producer-demo", "spark-job-demo", "replay-demo"]


class TestLocust:
    """A script in its place records what locust's file would."""

    def script(self, tmp_path: Path, *commands: str) -> Path:
        locust = tmp_path / "bin" / "locust"
        locust.parent.mkdir()
        # Its last argument is the record's path.
        locust.write_text("\n".join(("#!/bin/bash", 'record="${@: -1}"', *commands)) + "\n")
        locust.chmod(0o755)
        return tmp_path

    def test_what_it_records_is_the_result_and_it_is_ended(self, inst: Installation, tmp_path: Path) -> None:
        last = json.dumps({**LINE, "whole": WHOLE})
        made = self.script(tmp_path, f"echo '{json.dumps(LINE)}' > $record", f"echo '{last}' >> $record")
        with sending(inst, made, Asked(0.5, 20, last=False), tmp_path) as locust:
            found = locust.follow()
        assert (found.taken, len(found.by_second), found.answered_s.most) == (10, 2, 0.1)

    def test_one_that_fails_ends_in_a_sentence_with_the_end_of_its_log(
        self, inst: Installation, tmp_path: Path
    ) -> None:
        made = self.script(tmp_path, "echo it is broken", "exit 3")
        with (
            pytest.raises(Fault, match="locust ended with 3") as caught,
            sending(inst, made, Asked(0.5, 20, last=False), tmp_path) as locust,
        ):
            locust.follow()
        assert caught.value.detail == "it is broken"

    def test_it_does_not_outlive_an_interrupt(self, inst: Installation, tmp_path: Path) -> None:
        made = self.script(tmp_path, "exec sleep 600")
        with (
            pytest.raises(KeyboardInterrupt),
            sending(inst, made, Asked(0.5, 20, last=False), tmp_path) as locust,
        ):
            raise KeyboardInterrupt
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                os.kill(locust.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        raise AssertionError("it still runs")
