"""One broker, asked for itself: does it answer, and what does it know of our topics?

A client of the whole cluster hides a dead broker behind a living one. This one talks to a single address, in
the thread of whoever calls it, and never longer than it is told to.
"""

from typing import Any, NamedTuple

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.protocol.admin import DescribeConfigsRequest
from kafka.protocol.metadata import MetadataRequest

from citypulse.producer.config import Kafka
from citypulse.producer.send import brokers

_TOPIC = 2
"""Kafka's code of a topic among the kinds of things that have a configuration."""
_NODE = "bootstrap-0"
"""How the library calls the first address it is given, until it asks for more."""


class Partition(NamedTuple):
    """What a broker knows of a partition."""

    leader: int
    """Broker id, -1 where there is none."""
    epoch: int
    """Rises with each change of the leader."""
    replicas: frozenset[int]
    in_sync: frozenset[int]


Topics = dict[str, dict[int, Partition]]
"""Partitions by topic and number; a topic that does not exist is not there."""


class Probe:
    """One address. Not for several threads at once."""

    def __init__(self, kafka: Kafka, server: str, client_id: str) -> None:
        self.server = server
        self._timeout_ms = int(kafka.probe_timeout_seconds * 1000)
        self._client = KafkaNetClient(
            **brokers.common(kafka, client_id)
            | {
                "bootstrap_servers": [server],
                "api_version": brokers.version(kafka),
                "request_timeout_ms": self._timeout_ms,
                "reconnect_backoff_max_ms": 500,
            }
        )

    def topics(self, names: frozenset[str]) -> Topics | None:
        """What the broker knows of these topics; None where it does not answer."""
        wanted = [MetadataRequest.MetadataRequestTopic(name=name) for name in sorted(names)]
        answer = self._ask(
            MetadataRequest(
                topics=wanted,
                allow_auto_topic_creation=False,
                include_cluster_authorized_operations=False,
                include_topic_authorized_operations=False,
            )
        )
        if answer is None:
            return None
        return {
            topic.name: {
                one.partition_index: Partition(
                    one.leader_id, one.leader_epoch, frozenset(one.replica_nodes), frozenset(one.isr_nodes)
                )
                for one in topic.partitions
            }
            for topic in answer.topics
            if topic.partitions
        }

    def min_in_sync(self, names: frozenset[str]) -> dict[str, int]:
        """`min.insync.replicas` of these topics, of those that the broker tells."""
        resources = [
            DescribeConfigsRequest.DescribeConfigsResource(
                resource_type=_TOPIC, resource_name=name, configuration_keys=["min.insync.replicas"]
            )
            for name in sorted(names)
        ]
        answer = self._ask(
            DescribeConfigsRequest(resources=resources, include_synonyms=False, include_documentation=False)
        )
        return {
            result.resource_name: int(config.value)
            for result in (answer.results if answer else ())
            for config in result.configs
        }

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _ask(self, request: object) -> Any:
        """The answer; None where there is none in time."""
        try:
            return self._client.send_and_receive(_NODE, request, self._timeout_ms)
        except (KafkaError, OSError):
            return None
