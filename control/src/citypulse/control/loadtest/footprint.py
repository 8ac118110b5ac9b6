"""Tells Prometheus what each service uses with its children, as its node exporter's file of text.

What services tell of themselves leaves out their children: of the job its JVM, of a worker its executors.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

CPU = "citypulse_service_cpu_seconds_total"
RESIDENT = "citypulse_service_resident_bytes"
SEEN = "citypulse_service_seen_timestamp_seconds"

_EVERY_S = 2.0


class Process(NamedTuple):
    """A process: its id and its parent's, its processor seconds with those of ended children, its resident
    bytes.
    """

    pid: int
    parent: int
    cpu_s: float
    resident: int


class Used(NamedTuple):
    """What a service has used: processor seconds so far, bytes resident now."""

    cpu_s: float
    resident: int


def of_trees(processes: Iterable[Process], roots: Mapping[str, int]) -> dict[str, Used]:
    """What each root process and all below it use, by the root's name; none where the root is not there.

    An ended child's processor time goes to its parent, so the sum over a tree only grows.
    """
    known = {process.pid: process for process in processes}
    children: dict[int, list[int]] = defaultdict(list)
    for process in known.values():
        children[process.parent].append(process.pid)
    used = {}
    for name, root in roots.items():
        pending, cpu_s, resident = [root] if root in known else [], 0.0, 0
        if not pending:
            continue
        while pending:
            process = known[pending.pop()]
            cpu_s += process.cpu_s
            resident += process.resident
            pending += children[process.pid]
        used[name] = Used(cpu_s, resident)
    return used


@contextmanager
def told(directory: Path, roots: Callable[[], Mapping[str, int]]) -> Iterator[None]:
    """Tell Prometheus, through a file in the node exporter's `directory`, while the block runs.

    `roots` gives the process ids of the services, by name.
    """
    file = directory / "services.prom"
    ended = threading.Event()
    teller = _Teller()
    registry = CollectorRegistry()
    registry.register(teller)

    def tell() -> None:
        while True:
            teller.look(_processes(), roots())
            with suppress(OSError):
                write_to_textfile(str(file), registry)
            if ended.wait(_EVERY_S):
                return

    thread = threading.Thread(target=tell, name="footprint", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        file.unlink(missing_ok=True)


class _Teller(Collector):
    def __init__(self) -> None:
        self._used: dict[str, Used] = {}
        self._seen = 0.0

    def look(self, processes: Iterable[Process], roots: Mapping[str, int]) -> None:
        before = self._used
        self._used = {}
        for name, used in of_trees(processes, roots).items():
            # A child that ends while all are looked at is seen with neither itself nor its parent.
            least = before[name].cpu_s if name in before else 0.0
            self._used[name] = used._replace(cpu_s=max(used.cpu_s, least))
        self._seen = time.time()

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        cpu = CounterMetricFamily(
            CPU, "Processor seconds of a service with its children.", labels=["service"]
        )
        resident = GaugeMetricFamily(
            RESIDENT, "Resident bytes of a service with its children.", labels=["service"]
        )
        for name, used in sorted(self._used.items()):
            cpu.add_metric([name], used.cpu_s)
            resident.add_metric([name], used.resident)
        yield cpu
        yield resident
        yield GaugeMetricFamily(SEEN, "When the services were looked at.", value=self._seen)


def _processes() -> Iterator[Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            cpu_s = times.user + times.system + times.children_user + times.children_system
            yield Process(process.pid, process.ppid(), cpu_s, process.memory_info().rss)
