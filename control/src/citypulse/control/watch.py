"""Waits until everything that was sent has come all the way, and shows how far it is."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from citypulse.control.faults import Fault
from citypulse.control.installation import Installation
from citypulse.control.metrics import scrape, value
from citypulse.control.services import find, last_lines
from citypulse.control.steps import Ticker
from citypulse.control.topic import end_offsets

STANDSTILL_S = 180.0
"""Without any progress for so long, something is wrong."""

SETTLED_S = 20.0
"""What has not come when nothing was on its way for so long does not come: the ledgers say what it was."""


PAUSE_S = 10.0
"""A pause of the source that is worth a word."""


@dataclass(frozen=True)
class Progress:
    """How many messages were sent by the source, are in Kafka's topics, and were counted by the job."""

    sent: int
    playing: bool
    backlog: int
    """Journaled, not yet acknowledged by Kafka."""
    in_kafka: int
    counted: int
    caught_up: bool
    """Every partition is processed to its end."""
    due_in_s: float
    """How long the source pauses, because its next tweet is not due yet."""

    @property
    def idle(self) -> bool:
        """Nothing is seen to be on its way."""
        return not self.playing and not self.backlog and self.caught_up

    @property
    def arrived(self) -> bool:
        """All that was sent is counted."""
        return self.idle and self.in_kafka >= self.sent

    def __str__(self) -> str:
        said = f"{self.sent:,} sent, {self.in_kafka:,} in Kafka, {self.counted:,} counted"
        pause = f"; the next tweet is due in {self.due_in_s:,.0f} s"
        return said + (pause if self.due_in_s > PAUSE_S else "")


class Watch:
    """Looks at replay, producer, topics and job of one run."""

    def __init__(self, inst: Installation, run: str, topics: list[str], sent_before: int = 0) -> None:
        self._inst = inst
        self._run = run
        self._topics = [f"{run}.{topic}" if run else topic for topic in topics]
        self._bootstrap = [inst.address(9092), inst.address(9093)]
        self._sent_before = sent_before
        self._services = [f"{name}-{run or 'live'}" for name in ("replay", "producer", "spark-job")]

    def look(self) -> Progress:
        """Where everything is now."""
        # What was sent is looked at last: the other way round Kafka would seem to have more.
        producer = scrape(self._inst.run_address(self._run, 9301))
        ends = end_offsets(self._bootstrap, self._topics)
        job = scrape(self._inst.run_address(self._run, 9302))
        replay = self._replay()
        processed = {
            (labels["topic"], int(labels["partition"])): int(offset)
            for labels, offset in (job or {}).get("citypulse_spark_processed_offset", [])
        }
        return Progress(
            sent=self._sent_before + int(replay.get("sent", 0)),
            playing=replay.get("state") != "done",
            backlog=int(value(producer, "citypulse_producer_journal_backlog_records")) if producer else -1,
            in_kafka=sum((ends or {}).values()),
            counted=sum(processed.values()),
            caught_up=bool(ends) and all(processed.get(p, 0) == end for p, end in (ends or {}).items()),
            due_in_s=float(replay.get("due_in_seconds", 0)) if replay.get("state") == "playing" else 0.0,
        )

    def feeding(self) -> bool:
        """Whether the source is playing to the producer now."""
        return self._replay().get("state") == "playing"

    def until_sent(self) -> Progress:
        """Wait until the source has sent all it has."""
        return self._wait(lambda progress: not progress.playing)

    def until_arrived(self) -> Progress:
        """Wait until all that was sent is counted; where a part never comes, until nothing moves any more."""
        return self._wait(lambda progress: progress.arrived)

    def until_counted(self, longest_s: float) -> Progress:
        """Wait, at most so many seconds, until the topics are processed to their ends; how far it is then."""
        ticker = Ticker()
        began = time.monotonic()
        while not (progress := self.look()).caught_up and time.monotonic() - began < longest_s:
            ticker.say(f"{progress}, {time.monotonic() - began:.0f} s")
            time.sleep(0.5)
        ticker.close()
        return progress

    def _wait(self, done: Callable[[Progress], bool]) -> Progress:
        ticker = Ticker()
        last, moved, began = None, time.monotonic(), time.monotonic()
        while True:
            progress = self.look()
            now = time.monotonic()
            if done(progress):
                ticker.close(f"{progress}, after {now - began:.0f} s")
                return progress
            if progress != last or progress.due_in_s > PAUSE_S:
                last, moved = progress, now
            elif progress.idle and now - moved > SETTLED_S:
                ticker.close(f"{progress}; nothing more comes")
                return progress
            elif now - moved > STANDSTILL_S:
                ticker.close()
                raise self._standstill(progress)
            self._dead()
            ticker.say(f"{progress}, {now - began:.0f} s")
            time.sleep(0.5)

    def _replay(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://{self._inst.address(8900)}/status", timeout=5) as response:
                return dict(json.load(response))
        except OSError:
            return {}

    def _dead(self) -> None:
        for name in self._services:
            service = find(self._inst, name)
            if service.state == "FATAL" or (service.state == "EXITED" and service.exit_status):
                raise Fault(
                    f"{name} ended with {service.exit_status}; the end of {service.log} says why:",
                    detail=last_lines(service.log),
                )

    def _standstill(self, progress: Progress) -> Fault:
        where = "spark-job" if progress.in_kafka >= progress.sent else "producer"
        service = find(self._inst, f"{where}-{self._run or 'live'}")
        return Fault(
            f"Nothing has moved for {STANDSTILL_S:.0f} s ({progress}); the end of {service.log}:",
            detail=last_lines(service.log),
        )
