"""Faults of Cassandra, under the job that writes to it."""

from __future__ import annotations

from citypulse.control.metrics import scrape, value
from tests.faults.registry import fault
from tests.faults.rig import RUN, Rig

CASSANDRA = "cassandra1"


@fault(
    "cassandra-killed",
    injected="SIGKILL of Cassandra, which stays away for a minute",
    promised="the job waits, writes the batch again, and catches up without being started anew",
    minutes=2,
)
def cassandra_killed(rig: Rig) -> None:
    _counting(rig)
    job = rig.system.service(f"spark-job-{RUN}").pid
    rig.servers.kill_for_good(CASSANDRA)
    rig.flow(60)
    rig.servers.start(CASSANDRA)
    _batch_after(rig)
    assert rig.system.service(f"spark-job-{RUN}").pid == job


@fault(
    "cassandra-frozen",
    injected="SIGSTOP of Cassandra for 40 s, longer than a request may take, then SIGCONT",
    promised="requests that hang are given up and made again",
    minutes=1.5,
)
def cassandra_frozen(rig: Rig) -> None:
    _counting(rig)
    job = rig.system.service(f"spark-job-{RUN}").pid
    with rig.servers.frozen(CASSANDRA):
        rig.flow(40)
    _batch_after(rig)
    assert rig.system.service(f"spark-job-{RUN}").pid == job


@fault(
    "cassandra-restarting",
    injected="a controlled restart of Cassandra, twice",
    promised="nothing but a pause",
    minutes=1.5,
)
def cassandra_restarting(rig: Rig) -> None:
    _counting(rig)
    for _ in range(2):
        rig.servers.restart(CASSANDRA)
        _batch_after(rig)


def batches(rig: Rig) -> float:
    """Batches that the job's process has committed."""
    return value(
        scrape(rig.system.installation.run_address(RUN, 9302)) or {}, "citypulse_spark_batches_total"
    )


def _counting(rig: Rig) -> None:
    """Start, and wait until the job writes what arrives."""
    rig.start()
    _batch_after(rig)


def _batch_after(rig: Rig) -> None:
    before = batches(rig)
    rig.wait_for("another batch of the job", lambda: batches(rig) > before, 240)
