"""What services use with their children, as it is told to Prometheus and read from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from citypulse.control.loadtest import footprint
from citypulse.control.loadtest.footprint import CPU, RESIDENT, SEEN, Process, Used, of_trees
from citypulse.control.loadtest.measured import paired
from citypulse.control.prometheus import Series

TREE = [
    Process(1, 0, 100, 1),
    Process(10, 1, 5, 100),
    Process(11, 10, 2, 30),
    Process(12, 11, 1, 7),
    Process(20, 1, 3, 50),
]


def test_a_service_uses_what_all_below_it_use() -> None:
    used = of_trees(TREE, {"worker": 10, "kafka": 20, "gone": 99})
    assert used == {"worker": Used(8, 137), "kafka": Used(3, 50)}


def test_what_a_child_used_stays_when_it_ends() -> None:
    """Its parent has it from then on, as the kernel counts."""
    before = of_trees(TREE, {"worker": 10})
    after = of_trees([TREE[0], Process(10, 1, 5, 100), Process(11, 10, 3, 30)], {"worker": 10})
    assert before["worker"].cpu_s == after["worker"].cpu_s


def test_a_child_that_is_missed_while_it_ends_takes_nothing_back() -> None:
    teller = footprint._Teller()
    teller.look(TREE, {"worker": 10})
    teller.look([process for process in TREE if process.pid != 12], {"worker": 10})
    assert teller._used["worker"] == Used(8, 130)


def test_it_is_told_in_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    """With real processes: this one, and a child that uses a processor."""
    busy = "x = 0\nfor i in range(3_000_000): x += i\n"
    child = subprocess.Popen([sys.executable, "-c", busy])
    try:
        with footprint.told(tmp_path, lambda: {"test": os.getpid(), "child": child.pid}):
            child.wait()
            file = tmp_path / "services.prom"
            while not file.exists():
                time.sleep(0.01)
            text = file.read_text()
    finally:
        child.kill()
    found = {
        (sample.name, sample.labels.get("service", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found[RESIDENT, "test"] > 10e6
    assert found[CPU, "test"] > 0
    assert found[SEEN, ""] > 1.7e9
    assert not file.exists()


def test_samples_stand_at_the_time_at_which_they_were_seen() -> None:
    """Scrapes at 100, 105, 110 and 115 find what was seen at 99, 104, 104 and 114."""
    scrapes, seen = [100.0, 105.0, 110.0, 115.0], [99.0, 104.0, 104.0, 114.0]
    at = [Series({}, list(zip(scrapes, seen, strict=True)))]
    cpu = [Series({"service": "kafka1"}, list(zip(scrapes, [1.0, 6.0, 6.0, 16.0], strict=True)))]
    memory = [Series({"service": "kafka1"}, [(scrape, 5e6) for scrape in scrapes])]
    (process,) = paired(at, cpu, memory, 99.0, 200.0)
    assert (process.service, process.cpu_s.at, process.cpu_s.values) == ("kafka1", [0, 5, 15], [1, 6, 16])
    (later,) = paired(at, cpu, memory, 103.0, 110.0)
    assert later.resident.at == [1.0]
