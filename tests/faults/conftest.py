"""The run `faults`: its topics, its job, and one rig a fault."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from citypulse.control.playbook import play
from tests.faults import results
from tests.faults.recount import COUNTED, Recount
from tests.faults.rig import RUN
from tests.system import System


@pytest.fixture(scope="package")
def recount(system: System) -> Iterator[Recount]:
    """The job that counts what all faults have sent, begun on fresh topics and tables."""
    # A run's services share their ports with those of every other named run.
    for run in ("demo", RUN):
        play(system.installation, "run_remove", {"citypulse_run": run}, "-e", f"@{system.variables}")
    play(
        system.installation,
        "run",
        {
            "citypulse_run": RUN,
            "citypulse_run_roles": ["spark_job"],
            "kafka_topics": [
                *({"name": name} for name in COUNTED),
                *({"name": name, "compacted": True, "partitions": 1} for name in ("places", "gaps")),
            ],
            "spark_job_topics": list(COUNTED),
            "spark_job_trigger_seconds": 5,
        },
        "-e",
        f"@{system.variables}",
    )
    yield Recount(system)
    # What was counted is of no use to the tests that follow.
    play(system.installation, "run_remove", {"citypulse_run": RUN}, "-e", f"@{system.variables}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What each fault came to, in one table."""
    for line in results.table():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """Where the faults' journals and truths are."""
    with tempfile.TemporaryDirectory(prefix="citypulse-faults-") as directory:
        yield Path(directory)
