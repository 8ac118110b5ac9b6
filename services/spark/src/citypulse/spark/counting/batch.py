"""One micro-batch: learn the names, write the cells from the executors, name what was written too early."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from cassandra.cluster import Session
from pyspark import Broadcast, SparkContext
from pyspark.sql import DataFrame

from citypulse.spark.config import Config
from citypulse.spark.counting.names import Names, Repairs
from citypulse.spark.counting.writer import Written, write
from citypulse.spark.metrics import Metrics


class Sink:
    """What `foreachBatch` calls, and what is done between batches. Not for two threads at once: the job holds
    a lock."""

    def __init__(self, config: Config, context: SparkContext, session: Session, metrics: Metrics) -> None:
        self._config, self._context, self._metrics = config, context, metrics
        self._names = Names(config)
        self._repairs = Repairs(session, config.keyspace)
        self._broadcast: Broadcast[Any] | None = None
        self._stamp = 0

    def learn(self) -> None:
        """Read new names, and name what waits for them."""
        if self._names.refresh() and self._broadcast is not None:
            self._broadcast.unpersist()
            self._broadcast = None
        self._repairs.work(self._names.known)
        self._metrics.unnamed_cities.set(self._repairs.open)

    def write(self, cells: DataFrame, batch: int) -> None:
        """Write a batch; it counts as done when this returns, and is tried again when this raises."""
        self.learn()
        if self._broadcast is None:
            plain = {city: tuple(name) for city, name in self._names.known.items()}
            self._broadcast = self._context.broadcast(plain)
        began = time.monotonic()
        # One clock for all executors, and never back.
        self._stamp = max(self._stamp + 1, time.time_ns() // 1000)
        task = _task(self._config, self._broadcast, self._stamp)
        # One action on the batch: a second one would compute it, and count what is observed, again.
        written: list[Written] = cells.rdd.mapPartitions(task).collect()
        self._repairs.add([city for one in written for city in one.unnamed])
        self._repairs.work(self._names.known)
        self._metrics.wrote(batch, sum(one.cells for one in written), sum(one.rows for one in written))
        self._metrics.write_seconds.observe(time.monotonic() - began)

    def close(self) -> None:
        """Leave the brokers."""
        self._names.close()


def _task(config: Config, names: "Broadcast[Any]", stamp: int) -> Callable[[Any], Any]:
    return partial(_write, cassandra=config.cassandra, keyspace=config.keyspace, names=names, stamp=stamp)


def _write(rows: Any, *, cassandra: Any, keyspace: str, names: "Broadcast[Any]", stamp: int) -> Any:
    return write(rows, cassandra, keyspace, names.value, stamp)
