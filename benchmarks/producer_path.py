"""The way from X to Kafka: processor time of the producer, against a bare loop of tweepy and kafka-python.

    .citypulse/dev/bin/python -m benchmarks.producer_path [--tweets 100000] [--rounds 3]

Starts real servers, and replay, which sends the same generated tweets as fast as they are read; both loops
have them acknowledged by two real brokers (acks=all, two replicas). The bare loop is the common design's
core: tweepy's own read loop, one json.loads, one send; no journal, no places, no ledger. The two take turns;
the table has medians. Processor time is that of the whole process, all threads, from the first tweets on.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
from tests.faults.rig import TOPICS, Rig, fresh
from tests.servers import servers
from tests.system import System

from benchmarks.bare_loop import COUNTRIES


class Measured(NamedTuple):
    tweets: int
    cpu_seconds: float
    wall_seconds: float


SPEED = {
    "generator": {"retweets": 0.0},
    "play": {"rate": 0.0, "speed": 0.0, "truth": ""},
}
"""Every tweet is delivered, as fast as it is read."""


def producer(system: System, directory: Path, tweets: int) -> Measured:
    """citypulse-producer, as it is installed."""
    rig = _source(system, directory, tweets)
    feed = {"name": "all", "countries": list(COUNTRIES), "topic": "tweets"}
    rig.producer.start(feeds=[feed], journal={"segment_bytes": 16 << 20, "keep_hours": 0})
    try:
        return _measure(rig, rig.producer.pid, lambda: int(rig.producer.metric("acknowledged_total")))
    finally:
        rig.clean_up()


def bare(system: System, directory: Path, tweets: int) -> Measured:
    """tweepy and kafka-python in a loop."""
    rig = _source(system, directory, tweets)
    told = directory / "acknowledged"
    replay = rig.replay
    arguments = (replay.base_url, str(replay.tokens[0]), ",".join(system.bootstrap), TOPICS[0], str(told))
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare_loop", *arguments])
    try:
        return _measure(rig, process.pid, lambda: int(told.read_text()) if told.exists() else 0)
    finally:
        process.kill()
        rig.clean_up()


def _source(system: System, directory: Path, tweets: int) -> Rig:
    rig = Rig(system, fresh(directory))
    rig.replay.start(generator={**SPEED["generator"], "count": tweets}, play=SPEED["play"])
    return rig


def _measure(rig: Rig, pid: int, acknowledged: Callable[[], int]) -> Measured:
    rig.wait_for("the first tweets", lambda: acknowledged() > 0)
    process = psutil.Process(pid)
    first, times, began = acknowledged(), process.cpu_times(), time.monotonic()
    rig.wait_for("the source to end", lambda: rig.replay.status()["state"] == "done", 600)
    sent = int(rig.replay.status()["sent"])
    rig.wait_for("all of it in Kafka", lambda: acknowledged() >= sent, 300)
    now = process.cpu_times()
    cpu = now.user + now.system - times.user - times.system
    return Measured(sent - first, cpu, time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tweets", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, list[Measured]] = {"citypulse-producer": [], "bare loop": []}
    with servers() as system, tempfile.TemporaryDirectory() as place:
        rig = Rig(system, Path(place))
        rig.servers.make_topics(TOPICS[0], partitions=4)
        rig.servers.make_topics(*TOPICS[1:], partitions=1)
        for _ in range(options.rounds):
            runs["citypulse-producer"].append(producer(system, Path(place) / "producer", options.tweets))
            runs["bare loop"].append(bare(system, Path(place) / "bare", options.tweets))
    print(f"{'':20}{'tweets a CPU second':>22}{'tweets a second':>18}")
    for name, measured in runs.items():
        by_cpu = statistics.median(one.tweets / one.cpu_seconds for one in measured)
        by_wall = statistics.median(one.tweets / one.wall_seconds for one in measured)
        print(f"{name:20}{by_cpu:>22,.0f}{by_wall:>18,.0f}")
    pairs = zip(runs["citypulse-producer"], runs["bare loop"], strict=True)
    ratio = statistics.median((a.cpu_seconds / a.tweets) / (b.cpu_seconds / b.tweets) for a, b in pairs)
    print(f"processor time of citypulse-producer per tweet: {ratio:.2f} of the bare loop's")


if __name__ == "__main__":
    main()
