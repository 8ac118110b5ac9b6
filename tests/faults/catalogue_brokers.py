"""Faults of the brokers and of ZooKeeper."""

from __future__ import annotations

from tests.faults.registry import fault
from tests.faults.rig import Rig


@fault(
    "one-broker-killed",
    injected="SIGKILL of one broker; it comes back by itself",
    promised="tweets wait in the journal, and go on when both replicas are there",
    always=True,
)
def one_broker_killed(rig: Rig) -> None:
    rig.start()
    rig.flow(3)
    rig.servers.kill("kafka1")
    rig.flow(10)


@fault(
    "both-brokers-killed",
    injected="SIGKILL of both brokers; they come back by themselves",
    promised="the circuit opens, and closes again",
    always=True,
)
def both_brokers_killed(rig: Rig) -> None:
    rig.start()
    rig.flow(3)
    rig.servers.kill("kafka1")
    rig.servers.kill("kafka2")
    rig.wait_for("the circuit to open", lambda: rig.circuit() == "open")
    rig.servers.wait_until_serving(rig.topics())
    rig.wait_for("the circuit to close", lambda: rig.circuit() == "closed")
    rig.flow(2)
