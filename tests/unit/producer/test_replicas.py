"""An acknowledged record is safe when every replica has it; one whose leader changed is sent again."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from citypulse.producer.config import Config, Journal, Kafka
from citypulse.producer.errors import BadInputError
from citypulse.producer.send.probe import Partition, Probe, Topics
from citypulse.producer.send.replicas import Replicas, judge

BOTH = frozenset({1, 2})
TWEETS = frozenset({"tweets"})


def partition(epoch: int = 5, leader: int = 1, in_sync: frozenset[int] = BOTH) -> Partition:
    return Partition(leader, epoch, BOTH, in_sync)


def topic(*partitions: Partition) -> Topics:
    return {"tweets": dict(enumerate(partitions))}


def view(*answers: Topics | None, least: int = 2, strict: bool = True):  # type: ignore[no-untyped-def]
    return judge(list(answers), {"tweets": least}, TWEETS, strict)


class TestWhatTheBrokersMeanTogether:
    def test_all_in_sync(self) -> None:
        found = view(topic(partition(5), partition(6)), topic(partition(5), partition(6)))
        assert (found.available, found.blocked, found.wrong, found.epochs) == (2, "", "", (5, 6))

    def test_nobody_answers(self) -> None:
        found = view(None, None)
        assert (found.available, found.blocked, found.epochs) == (0, "no broker answers", None)

    def test_a_broker_that_does_not_answer_leaves_open_what_is_replicated(self) -> None:
        found = view(topic(partition()), None)
        assert (found.available, found.blocked, found.epochs) == (1, "", None)

    def test_too_few_replicas_block_a_strict_topic_and_not_one_that_needs_a_single_one(self) -> None:
        alone = topic(partition(in_sync=frozenset({1})))
        assert view(alone, alone).blocked == "tweets/0 has 1 replica in sync, and needs 2"
        found = view(alone, alone, least=1, strict=False)
        assert (found.blocked, found.epochs) == ("", None)

    def test_a_partition_without_a_leader_blocks(self) -> None:
        gone = topic(partition(), partition(leader=-1))
        assert view(gone, gone).blocked == "tweets/1 has no leader"

    def test_a_topic_that_nobody_knows_blocks(self) -> None:
        assert view({}, {}).blocked == "no broker knows the topic tweets"

    def test_brokers_that_disagree_leave_open_what_is_replicated(self) -> None:
        assert view(topic(partition(5)), topic(partition(6, leader=2))).epochs is None

    @pytest.mark.parametrize("least", [1, 3])
    def test_settings_that_cannot_be_are_named(self, least: int) -> None:
        assert (
            f"min.insync.replicas {least}" in view(topic(partition()), topic(partition()), least=least).wrong
        )


@dataclass
class Cluster:
    """Brokers as probes see them."""

    answers: list[Topics | None] = field(default_factory=lambda: [topic(partition()), topic(partition())])
    least: int = 1


class FakeProbe:
    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster, self.number = cluster, number

    def topics(self, _names: frozenset[str]) -> Topics | None:
        return self.cluster.answers[self.number]

    def min_in_sync(self, _names: frozenset[str]) -> dict[str, int]:
        return {"tweets": self.cluster.least}

    def close(self) -> None:
        pass


class Watched:
    """Replicas over a cluster that the test changes, and a count of what is acknowledged."""

    def __init__(self, durability: str = "available", least: int = 1) -> None:
        self.cluster = Cluster(least=least)
        self.acknowledged = 10
        config = Config(journal=Journal("j"), kafka=Kafka(durability=durability))  # type: ignore[arg-type]
        self.replicas = Replicas(config, TWEETS, lambda: self.acknowledged)
        self.replicas._probes = [cast(Probe, FakeProbe(self.cluster, number)) for number in (0, 1)]

    def look(self, acknowledged: int, *partitions: Partition) -> None:
        self.acknowledged = acknowledged
        if partitions:
            self.cluster.answers = [topic(*partitions), topic(*partitions)]
        self.replicas.look()


class TestHowFarAllReplicasHaveIt:
    def test_it_follows_what_is_acknowledged_a_look_behind(self) -> None:
        watched = Watched()
        watched.look(10)
        watched.look(20)
        assert watched.replicas.replicated == 10
        watched.look(30)
        assert watched.replicas.replicated == 20

    def test_it_stands_while_a_replica_is_missing_and_goes_on_when_it_is_back(self) -> None:
        watched = Watched()
        for acknowledged in (10, 20, 30):
            watched.look(acknowledged)
        for acknowledged in (40, 50):
            watched.look(acknowledged, partition(in_sync=frozenset({1})))
        assert watched.replicas.replicated == 20
        watched.look(60, partition())
        assert watched.replicas.replicated == 50
        assert not watched.replicas.lost_leader

    def test_a_leader_that_changed_meanwhile_asks_for_sending_again(self) -> None:
        watched = Watched()
        for acknowledged in (10, 20, 30):
            watched.look(acknowledged)
        watched.look(40, partition(in_sync=frozenset({1})))
        watched.look(50, partition(epoch=6, leader=2))
        assert watched.replicas.lost_leader
        assert watched.replicas.replicated == 20
        # Nothing is safe until the sender has gone back.
        watched.look(60)
        assert watched.replicas.replicated == 20
        watched.replicas.lost_leader = False
        watched.look(20)
        watched.look(70)
        watched.look(80)
        assert watched.replicas.replicated == 70

    def test_a_change_of_leader_with_nothing_in_between_asks_for_nothing(self) -> None:
        watched = Watched()
        for _ in range(3):
            watched.look(10)
        watched.look(10, partition(epoch=6))
        assert not watched.replicas.lost_leader

    def test_settings_that_do_not_fit_stop_the_start_and_later_only_block(self) -> None:
        with pytest.raises(BadInputError, match=r"durability = 'strict'.*min.insync.replicas 1"):
            Watched("strict", least=1).look(10)
        watched = Watched("strict", least=2)
        watched.look(10)
        watched.cluster.answers[1] = None
        watched.look(10)
        watched.cluster.least = 1
        watched.look(10, partition())
        assert "strict" in watched.replicas.view.wrong
