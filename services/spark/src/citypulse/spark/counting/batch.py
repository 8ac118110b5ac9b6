"""One micro-batch: learn the names, write the cells from the executors, note what was not counted, name what
was written too early."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from cassandra.cluster import Session
from kafka import KafkaConsumer
from kafka.errors import KafkaError
from pyspark import Broadcast, SparkContext
from pyspark.sql import DataFrame, SparkSession

from citypulse.spark import topics
from citypulse.spark.config import Config
from citypulse.spark.counting import execution, leftover, query, reception
from citypulse.spark.counting.checkpoint import Checkpoint
from citypulse.spark.counting.execution import Batch
from citypulse.spark.counting.gaps import Missing
from citypulse.spark.counting.names import Names, Repairs
from citypulse.spark.counting.writer import Written, write
from citypulse.spark.metrics import Metrics

_log = structlog.get_logger()

_PAUSE_SECONDS = 1.0


class Sink:
    """What `foreachBatch` calls, and what is done between batches. Not for two threads at once: the job holds
    a lock."""

    def __init__(
        self, config: Config, spark: SparkSession, session: Session, metrics: Metrics, place: Checkpoint
    ) -> None:
        self._config, self._spark, self._session, self._metrics = config, spark, session, metrics
        self._names = Names(config)
        self._gaps = reception.Gaps(config)
        self._executions = execution.Reader(query.OBSERVED)
        self._repairs = Repairs(session, config.keyspace)
        self._broadcast: Broadcast[Any] | None = None
        self._stamp = 0
        self._checkpoint = place
        self._whole_after: int | None = None
        self._heads: KafkaConsumer | None = None

    def tick(self) -> None:
        """What is done between batches: read new names and gaps, and put right what they change in rows that
        are written."""
        self._learn()
        now = self._next_stamp() // 1000
        self._metrics.gaps.set(len(self._gaps.missing(now)))
        reception.put_right(self._session, self._config, self._gaps, now, self._stamp)

    def _learn(self) -> None:
        """Read new names, name what waits for them; read new gaps."""
        if self._names.refresh() and self._broadcast is not None:
            self._broadcast.unpersist()
            self._broadcast = None
        self._repairs.work(self._names.known)
        self._metrics.unnamed_cities.set(self._repairs.open)
        self._gaps.refresh()

    def _learn_in_time(self) -> None:
        """The same, tried again while brokers do not answer: a batch that fails ends the query."""
        deadline = time.monotonic() + self._config.kafka.wait_seconds
        while True:
            try:
                self._learn()
            except KafkaError as error:
                if time.monotonic() > deadline:
                    raise
                reason = str(error)[:300]
                _log.warning("a batch waits for names and gaps: Kafka did not answer", reason=reason)
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def write(self, running: Any, cells: DataFrame, batch: int) -> None:
        """Write a batch; it counts as done when this returns, and is tried again when this raises.

        Args:
            running: the streaming query that executes it.
        """
        self._learn_in_time()
        whole_after = self._whole(running)
        began = time.monotonic()
        self._next_stamp()
        missing = self._gaps.missing(self._stamp // 1000)
        names = self._known(self._spark.sparkContext)
        task = _task(self._config, names, self._stamp, whole_after, missing)
        # One action on the batch: a second one would compute it, and count what is observed, again.
        written: list[Written] = cells.rdd.mapPartitions(task).collect()
        seen = self._executions.read(running)
        self._note(seen, {leftover.Due(*key) for one in written for key in one.held_back})
        self._repairs.add([city for one in written for city in one.unnamed])
        self._repairs.work(self._names.known)
        self._metrics.wrote(batch, sum(one.cells for one in written), sum(one.rows for one in written))
        self._metrics.write_seconds.observe(time.monotonic() - began)

    def close(self) -> None:
        """Leave the brokers."""
        self._names.close()
        self._gaps.close()
        if self._heads is not None:
            self._heads.close()

    def _next_stamp(self) -> int:
        """One clock for all executors, in microseconds, that never goes back."""
        self._stamp = max(self._stamp + 1, time.time_ns() // 1000)
        return self._stamp

    def _known(self, context: SparkContext) -> "Broadcast[Any]":
        if self._broadcast is None:
            plain = {city: tuple(name) for city, name in self._names.known.items()}
            self._broadcast = context.broadcast(plain)
        return self._broadcast

    def _whole(self, running: Any) -> int:
        """The time after which a window's first events cannot be missing at the head of a topic.

        It belongs to the checkpoint: what its first batch read from is where its state begins.
        """
        if self._whole_after is None:
            self._whole_after = self._checkpoint.whole_after()
        if self._whole_after is None:
            start = self._executions.read(running).start
            appended = topics.appended(self._consumer(), start)
            self._whole_after = max((when + query.AHEAD_MS for when in appended), default=0)
            self._checkpoint.keep_whole_after(self._whole_after)
            if self._whole_after:
                _log.warning(
                    "the head of the topic is gone: windows that began before are left as they are",
                    whole_after=self._whole_after,
                )
        return self._whole_after

    def _consumer(self) -> KafkaConsumer:
        if self._heads is None:
            self._heads = topics.consumer(self._config.kafka, "citypulse-spark-heads")
        return self._heads

    def _note(self, batch: Batch, held_back: set[leftover.Due]) -> None:
        """Put on record what the batch could not count."""

        def due(some: list[leftover.Due], reason: leftover.Reason) -> None:
            leftover.note(self._session, self._config, some, reason, batch.start, batch.end)
            _log.warning("windows are to be recounted", reason=reason, windows=len(some))

        if held_back:
            due(sorted(held_back), "checkpoint")
        if batch.late or batch.faulty:
            parsed = leftover.records(self._spark, self._config, batch)
            if batch.faulty:
                kept = leftover.set_aside(parsed, self._config)
                _log.warning("records are set aside: they are no event, or of the future", records=kept)
            if batch.late:
                due(leftover.late(parsed, batch.late_until), "late")
        if batch.lost:
            self._metrics.lost.inc(batch.lost)
            _log.error("records were lost to retention", records=batch.lost, batch=batch.start)
            appended = topics.appended(self._consumer(), batch.start)
            until = max(appended, default=0) + query.AHEAD_MS
            # Before the second batch of a state there is no watermark.
            since = batch.watermark or self._whole_after or until
            due(leftover.windows_between(since, until), "retention")


def _task(
    config: Config, names: "Broadcast[Any]", stamp: int, whole_after: int, missing: list[Missing]
) -> Callable[[Any], Any]:
    return partial(
        _write,
        cassandra=config.cassandra,
        keyspace=config.keyspace,
        names=names,
        stamp=stamp,
        whole_after=whole_after,
        missing=missing,
    )


def _write(rows: Any, *, names: "Broadcast[Any]", **others: Any) -> Any:
    return write(rows, names=names.value, **others)
