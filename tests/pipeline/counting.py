"""A run of the job alone, fed by the test itself through Kafka."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from cassandra.cluster import Session
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from citypulse.control.metrics import scrape, value
from citypulse.control.playbook import play
from citypulse.control.services import start, stop
from citypulse.control.topic import end_offsets
from citypulse.events.event import Event, encode, key
from citypulse.spark import tables
from citypulse.spark.config import Config, load
from tests.system import System

RUN = "counts"
TOPICS = ("tweets", "tweets.other")
PARTITIONS = 4


class Counting:
    """The run's job, its topics and its tables."""

    def __init__(self, system: System, run: str = RUN) -> None:
        self.system = system
        self.run = run
        self.service = f"spark-job-{run}"
        self._session: Session | None = None

    def begin(self, **variables: Any) -> None:
        """Fresh topics, tables and checkpoint, and the job on them."""
        # A run's services share their ports with those of every other named run.
        for run in ("demo", self.run):
            self._play("run_remove", {"citypulse_run": run})
        self._play(
            "run",
            {
                "citypulse_run": self.run,
                "citypulse_run_roles": ["spark_job"],
                "kafka_topics": [
                    *({"name": name} for name in TOPICS),
                    *({"name": name, "compacted": True, "partitions": 1} for name in ("places", "gaps")),
                ],
                "spark_job_topics": list(TOPICS),
                "spark_job_trigger_seconds": 1,
                **variables,
            },
        )

    def remove(self) -> None:
        """Leave nothing of it."""
        if self._session is not None:
            self._session.cluster.shutdown()
        self._play("run_remove", {"citypulse_run": self.run})

    def _play(self, playbook: str, variables: dict[str, Any]) -> None:
        play(self.system.installation, playbook, variables, "-e", f"@{self.system.variables}")

    @property
    def config(self) -> Config:
        """The job's."""
        return load(self.system.home / "etc" / self.service / "config.toml", {})

    @property
    def checkpoint(self) -> Path:
        """Its plan's directory."""
        (found,) = (path for path in Path(self.config.checkpoint_dir).glob("plan-*") if path.suffix == "")
        return found

    def stop(self) -> None:
        """Stop the job in peace."""
        stop(self.system.installation, self.service)

    def start(self) -> None:
        """Start it."""
        start(self.system.installation, self.service)

    def forget_checkpoint(self) -> None:
        """Remove the checkpoint of a job that stands still."""
        shutil.rmtree(self.config.checkpoint_dir)

    def send(
        self, values: Iterable[bytes | Event], topic: str = "tweets", partition: int | None = None
    ) -> None:
        """Have records in Kafka, in this order."""
        producer = KafkaProducer(bootstrap_servers=self.system.bootstrap, acks="all", linger_ms=5)
        refused: list[Exception] = []
        for one in values:
            raw = isinstance(one, bytes)
            producer.send(
                f"{self.run}.{topic}",
                # A compacted topic takes nothing without a key.
                key=b"raw" if raw else key(one),
                value=one if raw else encode(one),
                partition=partition,
            ).add_errback(refused.append)
        producer.flush()
        assert not refused, refused[0]
        producer.close()

    def cut(self, topic: str, before: dict[int, int]) -> None:
        """Delete the records before an offset of each partition, as retention does."""
        admin = KafkaAdminClient(bootstrap_servers=self.system.bootstrap)
        admin.delete_records(
            {TopicPartition(f"{self.run}.{topic}", n): offset for n, offset in before.items()}
        )
        admin.close()

    def ends(self, topic: str = "tweets") -> dict[int, int]:
        """End offsets by partition."""
        return {n: end for (_, n), end in end_offsets(self.system.bootstrap, [f"{self.run}.{topic}"]).items()}

    def metric(self, name: str) -> float:
        """One of the job's."""
        return value(scrape(self.system.installation.run_address(self.run, 9302)), f"citypulse_spark_{name}")

    def until_counted(self, deadline: float = 240) -> None:
        """Wait until the job has committed everything that is in the topics."""
        ends = end_offsets(self.system.bootstrap, [f"{self.run}.{topic}" for topic in TOPICS])

        def counted() -> bool:
            job = scrape(self.system.installation.run_address(self.run, 9302)) or {}
            processed = {
                (labels["topic"], int(labels["partition"])): int(offset)
                for labels, offset in job.get("citypulse_spark_processed_offset", [])
            }
            return all(processed.get(place, 0) >= end for place, end in ends.items())

        self.system.wait_for("the job to have counted all of it", counted, deadline)

    def until(self, what: str, condition: Any, deadline: float = 240) -> None:
        """Wait until a condition holds."""
        self.system.wait_for(what, condition, deadline)

    def verify(self, *arguments: str) -> int:
        """Compare the tables with a recount of the topics; the exit code."""
        return self.system.spark("verify", "--topic", *arguments, run=self.run)

    def rows(self, text: str, *values: Any) -> list[Any]:
        """Rows of a query, in which `{keyspace}` is the run's."""
        if self._session is None:
            self._session = tables.wait(self.config.cassandra)
        return list(self._session.execute(text.format(keyspace=self.config.keyspace), values or None))

    def due(self) -> list[Any]:
        """The list of windows that are to be recounted."""
        return self.rows("SELECT reason, window_start, feed, country FROM {keyspace}.recounts_due")

    def log(self) -> list[dict[str, Any]]:
        """What the job has said."""
        lines = []
        for path in sorted((self.system.home / "log").glob(f"{self.service}*")):
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("{"):
                    lines.append(msgspec.json.decode(line))
        return lines


def at_minute(minutes: float, now: int | None = None) -> int:
    """A time in ms so many minutes before now, rounded to seconds."""
    return ((now or time.time_ns() // 1_000_000) - round(minutes * 60_000)) // 1000 * 1000
