"""A small load on real servers: it passes with the limits that there are, and fails with a lower one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from citypulse.control.faults import Exit
from citypulse.control.loadtest import limits
from citypulse.control.loadtest.command import SENDER
from citypulse.control.loadtest.result import Process, Result
from tests.system import System

RATE, SECONDS = 200, 30


@pytest.fixture(scope="module")
def report(system: System) -> Path:
    """The report of a load test that passed."""
    before = set(_reports(system))
    system.control("loadtest", RATE=str(RATE), DURATION=f"{SECONDS}s")
    (made,) = set(_reports(system)) - before
    return made


@pytest.fixture(scope="module")
def result(report: Path) -> Result:
    return msgspec.json.decode(report.with_suffix(".json").read_bytes(), type=Result)


def test_every_tweet_leaves_when_it_is_planned_to_and_is_counted(result: Result) -> None:
    sent, arrived = result.sending, result.arrival
    assert (sent.planned, sent.sent, sent.taken, sent.reasons) == (RATE * SECONDS,) * 3 + ({},)
    assert sent.by_second[-1].at >= SECONDS - 1
    assert 0.9 * sent.taken < arrived.delivered <= sent.taken
    assert arrived.counted >= arrived.in_kafka >= arrived.delivered
    assert result.proof == ""
    assert all(result.freshness_s.values())
    assert max(result.flow["journaled"].values) == arrived.delivered


def test_every_process_is_measured_against_its_limit(result: Result, system: System) -> None:
    known = limits.read(system.installation, {})
    measured = {process.service: process for process in result.processes}
    expected = {"zookeeper1", "zookeeper2", "kafka1", "kafka2", "cassandra1", "spark-master", "spark-worker1"}
    expected |= {
        "node-exporter",
        "prometheus",
        "board",
        "alertmanager",
        "producer-load",
        "spark-job-load",
        "replay-load",
    }
    assert set(measured) >= {*expected, SENDER}
    assert [name for name in expected if limits.of(name, known) is None] == ["replay-load"]
    for name in expected:
        assert len(measured[name].cpu_s.at) >= SECONDS / 5 - 2, name
        assert max(measured[name].resident.values) > 5e6, name
    # An executor and the job's JVM are children of theirs.
    assert _mb(measured["spark-worker1"]) > 500
    assert _mb(measured["spark-job-load"]) > 400
    assert result.heaps
    assert 0 < max(result.machine.cpu_share.values) <= 1


def test_the_report_says_so_in_one_file(report: Path, result: Result) -> None:
    page = report.read_text()
    assert "It passes" in page
    assert re.findall(r"https?://\w", page) == []
    assert all(f"<td>{process.service}</td>" in page for process in result.processes)


def test_a_limit_that_is_too_low_fails_with_1_and_stands_in_the_report(
    report: Path, system: System, tmp_path: Path
) -> None:
    variables = yaml.safe_load(system.variables.read_text())
    low = tmp_path / "low.yml"
    low.write_text(yaml.safe_dump({**variables, "citypulse_limits": {"kafka": {"memory_mb": 10}}}))
    asked = dataclasses.replace(system, variables=low)
    assert asked.control("loadtest", check=False, LAST="1") == Exit.FAULT
    assert re.search(
        r"kafka1 had \d+ MB resident at its peak, \d+% of its limit of 10 MB", report.read_text()
    )
    assert system.control("loadtest", check=False, LAST="1") == Exit.WELL


def test_afterwards_its_services_stand_still_and_its_numbers_can_be_proved_again(
    report: Path, system: System
) -> None:
    assert [name for name in system.names() if name.endswith("-load") and system.service(name).pid] == []
    system.control("verify", RUN="load")


def test_what_cannot_be_asked_is_refused_with_2(system: System) -> None:
    assert system.control("loadtest", check=False, RATE="fast") == Exit.BAD_INPUT
    assert system.control("loadtest", check=False, DURATION="1s") == Exit.BAD_INPUT


def _reports(system: System) -> list[Path]:
    return sorted((system.home / "reports").glob("loadtest-*.html"))


def _mb(process: Process) -> float:
    return max(process.resident.values) / 1e6
