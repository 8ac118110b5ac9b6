"""The two brokers and two ZooKeepers under fault: killed, stopped, brought back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from citypulse.control.services import start, stop
from citypulse.producer.config import Kafka
from citypulse.producer.send.probe import Probe
from tests.system import System

BROKERS = ("kafka1", "kafka2")
ZOOKEEPERS = ("zookeeper1", "zookeeper2")


class Servers:
    """What the servers of one installation can suffer."""

    def __init__(self, system: System) -> None:
        self._system = system

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the server's own process; the service manager starts it again where it dies."""
        self._system.signal(name, number)

    def kill_for_good(self, name: str) -> None:
        """SIGKILL, and keep the service manager from starting it again."""
        self._system.signal(name, signal.SIGKILL)
        stop(self._system.installation, name)

    def start(self, name: str) -> None:
        """Start it again."""
        start(self._system.installation, name)

    def restart(self, name: str) -> None:
        """A controlled stop, then a start."""
        self._system.restart(name)

    def freeze(self, name: str) -> int:
        """SIGSTOP; the pid that got it, for `thaw`."""
        return self._system.signal(name, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        """SIGCONT."""
        os.kill(pid, signal.SIGCONT)

    def wait_until_serving(self, topics: Iterable[str], deadline: float = 240) -> None:
        """Wait until both brokers answer and every replica of these topics is in sync."""
        names = frozenset(topics)
        probes = [
            Probe(Kafka(bootstrap_servers=(server,)), server, "faults") for server in self._system.bootstrap
        ]

        def in_sync() -> bool:
            answers = [probe.topics(names) for probe in probes]
            return all(
                answer is not None
                and answer.keys() == names
                and all(
                    p.leader >= 0 and p.in_sync == p.replicas for t in answer.values() for p in t.values()
                )
                for answer in answers
            )

        try:
            self._system.wait_for("both brokers, every replica in sync", in_sync, deadline)
        finally:
            for probe in probes:
                probe.close()
