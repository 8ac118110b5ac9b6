"""The two brokers and two ZooKeepers under fault: killed, stopped, brought back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

from citypulse.control.services import start, stop
from citypulse.producer.config import Kafka
from citypulse.producer.send.probe import Probe
from tests.system import System

BROKERS = ("kafka1", "kafka2")
ZOOKEEPERS = ("zookeeper1", "zookeeper2")

PREFERRED = 0
"""Kafka's code of an election in which the first replica becomes the leader."""


class Servers:
    """What the servers of one installation can suffer."""

    def __init__(self, system: System, topics: Iterable[str]) -> None:
        self._system = system
        self._topics = frozenset(topics)

    def kill(self, *names: str) -> None:
        """SIGKILL of the servers' own processes; the service manager starts them again."""
        for name in names:
            self._system.signal(name, signal.SIGKILL)

    def kill_for_good(self, *names: str) -> None:
        """SIGKILL, and keep the service manager from starting them again."""
        self.kill(*names)
        for name in names:
            stop(self._system.installation, name)

    def start(self, *names: str) -> None:
        """Start what stands still."""
        for name in names:
            start(self._system.installation, name)

    def restart(self, name: str) -> None:
        """A controlled stop, then a start."""
        self._system.restart(name)

    @contextlib.contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """SIGSTOP, and SIGCONT in the end."""
        pids = [self._system.signal(name, signal.SIGSTOP) for name in names]
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def views(self) -> list[dict[str, dict[int, object]] | None]:
        """What each broker knows of the topics."""
        probes = [
            Probe(Kafka(bootstrap_servers=(server,)), server, "faults") for server in self._system.bootstrap
        ]
        try:
            return [probe.topics(self._topics) for probe in probes]
        finally:
            for probe in probes:
                probe.close()

    def serving(self) -> bool:
        """Whether both brokers answer and every replica of the topics is in sync."""
        return all(
            view is not None
            and view.keys() == self._topics
            and all(p.leader >= 0 and p.in_sync == p.replicas for t in view.values() for p in t.values())
            for view in self.views()
        )

    def wait_until_serving(self, deadline: float = 240) -> None:
        """Wait for that."""
        self._system.wait_for("both brokers, every replica in sync", self.serving, deadline)

    def change_leaders(self, topic: str) -> None:
        """Have each partition led by its other replica."""
        view = self.views()[0]
        assert view is not None
        partitions = view[topic]
        with self._admin() as admin:
            admin.alter_partition_reassignments(
                {
                    TopicPartition(topic, number): sorted(p.replicas, key=lambda broker: broker == p.leader)
                    for number, p in partitions.items()
                }
            )
            admin.elect_leaders(PREFERRED, {topic: list(partitions)}, raise_errors=False)

    def make_topics(self, *names: str, partitions: int) -> None:
        """Topics with two replicas; nothing happens where they are there."""
        with self._admin() as admin:
            missing = set(names) - set(admin.list_topics())
            if missing:
                admin.create_topics([NewTopic(name, partitions, 2) for name in sorted(missing)])

    @contextlib.contextmanager
    def topic_setting(self, topic: str, key: str, value: str) -> Iterator[None]:
        """Another value of a topic's setting while the block runs."""
        with self._admin() as admin:
            before = admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all"
            )["topic"][topic][key]["value"]
            self._set(admin, topic, key, value)
        try:
            yield
        finally:
            self.wait_until_serving()
            with self._admin() as admin:
                self._set(admin, topic, key, before)

    def _set(self, admin: KafkaAdminClient, topic: str, key: str, value: str) -> None:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])

    @contextlib.contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        admin = KafkaAdminClient(bootstrap_servers=self._system.bootstrap)
        try:
            yield admin
        finally:
            admin.close()
