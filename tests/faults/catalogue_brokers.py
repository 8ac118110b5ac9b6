"""Faults of the brokers and of ZooKeeper."""

from __future__ import annotations

import contextlib
import time

from kafka import KafkaProducer

from citypulse.producer.journal import setaside
from citypulse.producer.send import brokers
from tests.faults import disks
from tests.faults.registry import fault
from tests.faults.rig import TOPICS, Rig
from tests.faults.servers import BROKERS, ZOOKEEPERS
from tests.producing import post_id

MEMORY_MB = 20
"""By how much the producer's memory may grow in an outage."""


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
    rig.servers.kill(*BROKERS)
    rig.wait_for("the circuit to open", lambda: rig.producer.circuit() == "open")
    rig.servers.wait_until_serving()
    rig.wait_for("the circuit to close", lambda: rig.producer.circuit() == "closed")
    rig.flow(2)


@fault(
    "both-brokers-dead-for-minutes",
    injected="both brokers dead for 150 s: longer than every time-out, and the watchdog's patience",
    promised="memory stays flat, the producer stays up, and what was journaled drains in order",
    minutes=4,
)
def both_brokers_dead_for_minutes(rig: Rig) -> None:
    rig.start(kafka={"watchdog_seconds": 30, "request_timeout_ms": 10_000}, replay={"play": {"rate": 500}})
    rig.flow(10)
    before = rig.producer.memory_mb()
    rig.servers.kill_for_good(*BROKERS)
    most = before
    for _ in range(15):
        rig.flow(10)
        most = max(most, rig.producer.memory_mb())
    assert most - before <= MEMORY_MB, f"memory grew from {before:.0f} to {most:.0f} MB"
    assert rig.producer.metric("resends_total", cause="watchdog") >= 1
    assert rig.producer.codes == []
    backlog = rig.producer.backlog()
    rig.servers.start(*BROKERS)
    rig.servers.wait_until_serving()
    rig.wait_for("the circuit to close", lambda: rig.producer.circuit() == "closed")
    began = time.monotonic()
    rig.wait_for("the backlog to drain", lambda: rig.producer.backlog() < 2000)
    rig.notes.append(
        f"memory {before:.0f} to {most:.0f} MB, {backlog} waited, drained in {time.monotonic() - began:.0f} s"
    )


@fault(
    "one-broker-frozen",
    injected="SIGSTOP of one broker for 25 s, then SIGCONT",
    promised="what hangs is told from what is dead, and goes on",
    minutes=1,
)
def one_broker_frozen(rig: Rig) -> None:
    rig.start()
    with rig.servers.frozen("kafka2"):
        rig.flow(25)


@fault(
    "both-brokers-frozen",
    injected="SIGSTOP of both brokers for 25 s, then SIGCONT",
    promised="the circuit opens and closes again",
    minutes=1,
)
def both_brokers_frozen(rig: Rig) -> None:
    rig.start()
    with rig.servers.frozen(*BROKERS):
        rig.wait_for("the circuit to open", lambda: rig.producer.circuit() == "open")
        rig.flow(15)
    rig.wait_for("the circuit to close", lambda: rig.producer.circuit() == "closed")


@fault(
    "rolling-restart",
    injected="a controlled restart of one broker, then of the other",
    promised="nothing but a pause",
    minutes=1,
)
def rolling_restart(rig: Rig) -> None:
    rig.start()
    for broker in BROKERS:
        rig.servers.restart(broker)
        rig.servers.wait_until_serving()
        rig.flow(2)


@fault(
    "leader-change",
    injected="every partition gets its other replica as leader, three times",
    promised="records go to the new leaders",
)
def leader_change(rig: Rig) -> None:
    rig.start()
    for _ in range(3):
        rig.servers.change_leaders(TOPICS[0])
        rig.flow(3)


@fault(
    "one-zookeeper-dead",
    injected="one of two ZooKeepers dead for 20 s: no quorum",
    promised="records go on, for brokers need no ZooKeeper to take them",
    minutes=1,
)
def one_zookeeper_dead(rig: Rig) -> None:
    rig.start()
    rig.servers.kill_for_good("zookeeper2")
    try:
        before = rig.producer.metric("acknowledged_total")
        rig.flow(20)
        assert rig.producer.metric("acknowledged_total") - before > 1000
    finally:
        rig.servers.start("zookeeper2")


@fault(
    "both-zookeepers-killed",
    injected="SIGKILL of both ZooKeepers; they come back by themselves",
    promised="nothing is noticed",
    minutes=1,
)
def both_zookeepers_killed(rig: Rig) -> None:
    rig.start()
    rig.servers.kill(*ZOOKEEPERS)
    rig.flow(15)


@fault(
    "min-insync-not-met",
    injected="one broker dead for 40 s while a record needs two replicas",
    promised="nothing is acknowledged meanwhile, and the circuit says why",
    minutes=1.5,
)
def min_insync_not_met(rig: Rig) -> None:
    rig.start()
    rig.servers.kill_for_good("kafka1")
    try:
        # While a new controller looks for leaders, a partition without one may be what opens the circuit.
        rig.wait_for(
            "too few replicas to be said", lambda: "in sync" in rig.producer.log("brokers: looked at")
        )
        said = ("in sync", "has no leader")
        rig.wait_for(
            "the circuit to say why",
            lambda: any(words in rig.producer.log("circuit: changed") for words in said),
        )
        before = rig.producer.metric("acknowledged_total")
        rig.flow(10)
        assert rig.producer.metric("acknowledged_total") == before
        assert rig.producer.circuit() in ("open", "half_open")
        assert not rig.producer.ready()
    finally:
        rig.servers.start("kafka1")


def _one_dead_then_the_other(rig: Rig, durability: str) -> float:
    """One broker dead for a minute, then both, then both back.

    Returns:
        How many records were acknowledged in the last 30 s with one broker.
    """
    rig.start(kafka={"durability": durability})
    rig.flow(3)
    rig.servers.kill_for_good("kafka1")
    # ZooKeeper takes a broker for dead when its session has expired: only then can the other one lead alone.
    rig.flow(30)
    before = rig.producer.metric("acknowledged_total")
    rig.flow(30)
    gone_on = rig.producer.metric("acknowledged_total") - before
    unreplicated = rig.producer.metric("unreplicated_records")
    rig.servers.kill_for_good("kafka2")
    rig.flow(5)
    rig.servers.start(*BROKERS)
    rig.servers.wait_until_serving()
    rig.notes.append(f"{gone_on:.0f} records in 30 s with one broker, {unreplicated:.0f} with a single copy")
    return gone_on


@fault(
    "strict-one-broker-dead",
    injected="durability 'strict': one broker dead for a minute, then the other killed, then both back",
    promised="nothing is acknowledged with one broker; all of it drains afterwards",
    minutes=2.5,
)
def strict_one_broker_dead(rig: Rig) -> None:
    assert _one_dead_then_the_other(rig, "strict") == 0


@fault(
    "available-one-broker-dead",
    injected="durability 'available': the same",
    promised="records go on with one broker; what had a single copy is sent again, for leaders have changed",
    minutes=2.5,
)
def available_one_broker_dead(rig: Rig) -> None:
    with contextlib.ExitStack() as settings:
        for topic in TOPICS:
            settings.enter_context(rig.servers.topic_setting(topic, "min.insync.replicas", "1"))
        gone_on = _one_dead_then_the_other(rig, "available")
        assert gone_on > 3000, f"only {gone_on} records in 30 s with one broker"
        rig.wait_for(
            "the single copies to be sent again",
            lambda: rig.producer.metric("resends_total", cause="leader changed") >= 1,
        )
        rig.wait_for("every replica to have them", lambda: rig.producer.metric("unreplicated_records") < 1000)
        rig.drain()


@fault(
    "client-wedged",
    injected="both brokers frozen for longer than a bare kafka-python client waits for a delivery",
    promised="the bare client never sends again; the producer's watchdog makes its own anew",
    minutes=1.5,
)
def client_wedged(rig: Rig) -> None:
    topic = f"{TOPICS[0]}.bare"
    rig.servers.make_topics(topic, partitions=1)
    bare = KafkaProducer(
        bootstrap_servers=rig.system.bootstrap,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=3_000,
        delivery_timeout_ms=6_000,
        linger_ms=0,
        max_block_ms=1_000,
    )
    try:
        rig.start(kafka={"watchdog_seconds": 12, "request_timeout_ms": 3_000})
        bare.send(topic, b"before").get(timeout=60)
        with rig.servers.frozen(*BROKERS):
            held = [bare.send(topic, b"%d" % number) for number in range(10)]
            rig.flow(20)
        rig.servers.wait_until_serving()
        rig.wait_for(
            "the producer to send again",
            lambda: rig.producer.backlog() == 0 or rig.producer.circuit() == "closed",
        )
        assert rig.producer.metric("resends_total", cause="watchdog") >= 1
        assert any(future.failed() for future in held)
        after = bare.send(topic, b"after")
        rig.flow(15)
        rig.notes.append("the bare client is wedged" if not after.succeeded() else "the bare client goes on")
    finally:
        brokers.discard(bare)


@fault(
    "broker-disk-full",
    injected="the second broker's disk is filled, and freed again after 20 s",
    promised="the broker dies of it and comes back; the journal bridges it",
    minutes=1.5,
    needs_root="that disk is a tmpfs, which has to be mounted",
)
def broker_disk_full(rig: Rig) -> None:
    small = rig.system.small_disk
    assert small, "the second broker has no disk of its own: mounts are not allowed here"
    rig.start()
    ballast = small / "ballast"
    disks.fill(ballast)
    try:
        rig.wait_for("the broker to suffer", lambda: not rig.servers.serving())
        rig.flow(20)
    finally:
        ballast.unlink()
        rig.servers.start("kafka2")


@fault(
    "record-too-large",
    injected="the topic takes no record above 400 bytes, which some are",
    promised="each of those is a dead letter with its reason; the others of its batch are sent",
    minutes=1,
)
def record_too_large(rig: Rig) -> None:
    with rig.servers.topic_setting(TOPICS[0], "max.message.bytes", "400"):
        rig.start(replay={"play": {"rate": 40}})
        rig.wait_for(
            "some to be refused", lambda: rig.producer.metric("set_aside_total", reason="refused") >= 3
        )
        rig.flow(3)
        rig.drain()
    kept = setaside.entries(rig.producer.journal, setaside.DEAD_LETTERS)
    rig.lost = {post_id(entry.content()) for entry in kept}
    assert rig.lost
