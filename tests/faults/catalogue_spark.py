"""Faults of Spark's processes in the middle of a batch."""

from __future__ import annotations

import os
import signal

import psutil

from tests.faults.catalogue_cassandra import batches
from tests.faults.registry import fault
from tests.faults.rig import RUN, Rig

JOB = f"spark-job-{RUN}"


@fault(
    "executor-killed",
    injected="SIGKILL of the executor while it writes a batch, twice",
    promised="the worker gives another, which computes the batch again",
    minutes=3,
)
def executor_killed(rig: Rig) -> None:
    rig.start(replay={"play": {"rate": 500}})
    for _ in range(2):
        _batch_begins(rig)
        os.kill(_executor(rig).pid, signal.SIGKILL)
        _batch_after(rig)


@fault(
    "worker-killed",
    injected="SIGKILL of the worker and its executor while a batch is written",
    promised="another worker's executor computes the batch again, from the state in the checkpoint",
    minutes=2,
)
def worker_killed(rig: Rig) -> None:
    rig.start(replay={"play": {"rate": 500}})
    _batch_begins(rig)
    executor = _executor(rig)
    rig.servers.kill("spark-worker1")
    executor.kill()
    _batch_after(rig)


@fault(
    "job-killed",
    injected="SIGKILL of the job's driver while it writes a batch, three times",
    promised="each start goes on at the checkpoint and writes the batch again",
    minutes=3,
)
def job_killed(rig: Rig) -> None:
    rig.start(replay={"play": {"rate": 500}})
    for _ in range(3):
        _batch_begins(rig)
        killed = rig.system.signal(f"spark-job-{RUN}", signal.SIGKILL)
        rig.wait_for(
            "another job", lambda pid=killed: rig.system.service(f"spark-job-{RUN}").pid not in (0, pid)
        )
        rig.wait_for("the new job's first batch", lambda: batches(rig) > 0, 240)


def _batch_begins(rig: Rig) -> None:
    """Wait for a batch that has begun to compute: an executor's Python is at work only then."""
    rig.wait_for("the job to count", lambda: batches(rig) > 0, 240)
    rig.wait_for("a batch to be written", lambda: _working(rig), 120)


def _working(rig: Rig) -> bool:
    try:
        pythons = [child for one in _executors(rig) for child in one.children(recursive=True)]
        return any(child.cpu_percent(0.05) > 0 for child in pythons)
    except psutil.Error:
        return False


def _executor(rig: Rig) -> psutil.Process:
    rig.wait_for("an executor", lambda: _executors(rig), 120)
    return _executors(rig)[0]


def _executors(rig: Rig) -> list[psutil.Process]:
    """Of the faults' job, not of another installation on the machine: it is a child of our worker."""
    worker = psutil.Process(rig.system.service("spark-worker1").pid)
    driver = ":" + rig.system.installation.run_address(RUN, 7090).rpartition(":")[2]
    return [child for child in worker.children(recursive=True) if _is_executor(child, driver)]


def _is_executor(process: psutil.Process, driver: str) -> bool:
    try:
        command = " ".join(process.cmdline()) + " "
    except psutil.Error:
        # It is gone, or only its worker has not heard of that yet.
        return False
    return "CoarseGrainedExecutorBackend" in command and f"{driver} " in command


def _batch_after(rig: Rig) -> None:
    before = batches(rig)
    rig.wait_for("another batch of the job", lambda: batches(rig) > before, 240)
