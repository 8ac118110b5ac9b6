"""Faults of the producer's own process, its journal, its disk and its clock."""

from __future__ import annotations

import random
import signal

from tests.faults.registry import fault
from tests.faults.rig import Rig
from tests.faults.servers import BROKERS, ZOOKEEPERS


def _kill_often(rig: Rig, times: int) -> None:
    chance = random.Random(rig.seed)
    rig.start()
    for _ in range(times):
        rig.flow(chance.uniform(0.2, 2.0))
        rig.producer.kill()
    rig.flow(1)


@fault(
    "producer-killed",
    injected="SIGKILL of the producer at 5 random moments",
    promised="what was accepted is sent by the next one",
    always=True,
)
def producer_killed(rig: Rig) -> None:
    _kill_often(rig, 5)


@fault(
    "producer-killed-50-times",
    injected="SIGKILL of the producer at 50 random moments",
    promised="what was accepted is sent by the next one",
    minutes=3,
)
def producer_killed_50_times(rig: Rig) -> None:
    _kill_often(rig, 50)


@fault(
    "producer-frozen",
    injected="SIGSTOP of the producer for 15 s, then SIGCONT",
    promised="it goes on where it stood",
)
def producer_frozen(rig: Rig) -> None:
    rig.start()
    rig.producer.send(signal.SIGSTOP)
    rig.flow(15)
    rig.producer.send(signal.SIGCONT)


@fault(
    "everything-killed",
    injected="SIGKILL of producer, both brokers and both ZooKeepers at once",
    promised="all of it comes back by itself and goes on",
    minutes=1,
)
def everything_killed(rig: Rig) -> None:
    rig.start()
    rig.flow(3)
    rig.producer.kill()
    rig.servers.kill(*BROKERS, *ZOOKEEPERS)
    rig.flow(5)
