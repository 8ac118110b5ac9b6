"""The job: everything is brought up, then watched until it is told to stop or something died."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

import structlog
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable, Session
from kafka import KafkaConsumer
from kafka.errors import KafkaError
from pyspark.sql import DataFrame, SparkSession

from citypulse.spark import metrics, rolling, session, tables, topics
from citypulse.spark.config import Config
from citypulse.spark.counting import checkpoint, query, recounting
from citypulse.spark.counting.batch import Sink
from citypulse.spark.counting.progress import Progress
from citypulse.spark.errors import BadInputError, StopError

_log = structlog.get_logger()

_LOOK_SECONDS = 0.5
_TICK_SECONDS = 5.0
_DAMAGE = ("CANNOT_LOAD_STATE_STORE", "CHECKPOINT_FILE_CHECKSUM", "STATE_STORE_CHECKPOINT", "malformed")
"""In the error of a query whose state cannot be loaded."""


def run(config: Config) -> None:
    """Count until SIGTERM or SIGINT.

    Raises:
        StopError: a server did not come up, or the query, its executors or Spark's own process died; the
            service manager
            is to start the job anew, which goes on where the checkpoint is.
    """
    told = threading.Event()
    _hear(told)
    numbers = metrics.Metrics()
    numbers.trigger.set(config.trigger_seconds)
    _serve(config, numbers)
    cassandra = None
    spark = None
    try:
        cassandra = tables.wait(config.cassandra, told.is_set)
        tables.create(cassandra, config)
        kafka = topics.wait(config.kafka, config.prefixed_topics, told.is_set)
        _log.info("starting Spark", master=config.spark.master)
        spark = session.start(config)
        _hear(told)  # Spark's context took SIGINT for itself.
        _count(config, spark, cassandra, kafka, numbers, told)
    except StopError:
        if not told.is_set():
            raise
    except Exception as error:
        # A service manager that signals the whole process group takes Spark's process away while the query is
        # stopped.
        if not told.is_set():
            raise StopError(f"the job failed: {_reason(error)}") from error
    finally:
        numbers.status["state"] = "stopping"
        _close(spark, cassandra)
    _log.info("stopped")


def _count(
    config: Config,
    spark: SparkSession,
    cassandra: Session,
    kafka: KafkaConsumer,
    numbers: metrics.Metrics,
    told: threading.Event,
) -> None:
    place = _checkpoint(config, spark, numbers)
    sink = Sink(config, spark, cassandra, numbers, place)
    lock = threading.Lock()
    started = threading.Event()

    def write(cells: DataFrame, batch: int) -> None:
        started.wait()
        with lock:
            sink.write(running, cells, batch)

    events = query.observe(query.parse(query.records(spark, config)))
    running = (
        query.count(events, f"{round(config.watermark_minutes * 60)} seconds")
        .writeStream.outputMode("update")
        .queryName("windows")
        .option("checkpointLocation", place.place)
        .trigger(processingTime=f"{round(config.trigger_seconds * 1000)} milliseconds")
        .foreachBatch(write)
        .start()
    )
    started.set()
    _log.info("counting", topics=config.prefixed_topics, keyspace=config.keyspace, checkpoint=place.place)
    numbers.status["state"] = "running"
    ticker = threading.Thread(
        target=_tick, args=(config, sink, lock, kafka, numbers, told), name="ticker", daemon=True
    )
    ticker.start()
    threads = [
        ticker,
        rolling.start(config, lock, numbers, told),
        recounting.start(config, spark, cassandra, numbers, told),
    ]
    progress = Progress(running, numbers)
    _watch(config, spark, running, progress, place, threads, numbers, told)
    _stop(running, config.stop_seconds)
    progress.take()


def _checkpoint(config: Config, spark: SparkSession, numbers: metrics.Metrics) -> checkpoint.Checkpoint:
    """The checkpoint to go on with; a new one where there is none, where it is damaged, or another plan's."""
    found = checkpoint.Checkpoint(spark, config.checkpoint_dir, query.PLAN)
    anew = "counting anew, from the first record that Kafka keeps"
    try:
        last = found.last()
    except ValueError as error:
        _log.error(f"the checkpoint is damaged: {anew}", reason=str(error), moved_to=found.set_aside())
        return found
    if last is None:
        others = found.others()
        _log.warning(f"no checkpoint of this plan: {anew}", checkpoint=found.place, others=others)
        return found
    checkpoint.check(last, session.properties(config), found.place)
    numbers.offsets("processed", last.offsets)
    numbers.watermark.set(last.watermark / 1000)
    return found


def _watch(
    config: Config,
    spark: SparkSession,
    running: Any,
    progress: Progress,
    place: checkpoint.Checkpoint,
    threads: Sequence[threading.Thread],
    numbers: metrics.Metrics,
    told: threading.Event,
) -> None:
    """Return when told to stop; raise when something died."""
    context = spark.sparkContext
    jvm = context._gateway.proc
    executors_seen = time.monotonic()
    while not told.wait(_LOOK_SECONDS):
        if jvm.poll() is not None:
            raise StopError(f"Spark's driver process ended with {jvm.returncode}")
        progress.take()
        if not running.isActive:
            _set_aside_if_damaged(running, place, numbers)
            raise StopError(f"the query ended: {_reason(running.exception())}")
        if context._jsc.sc().isStopped():
            raise StopError(
                f"Spark stopped: the master {config.spark.master} gave the application up or is gone"
            )
        for thread in threads:
            # A thread that was told to stop since has ended well.
            if not thread.is_alive() and not told.is_set():
                raise StopError(f"the thread {thread.name!r} died")
        # The driver's own block manager is in the list as well.
        executors = context._jsc.sc().getExecutorMemoryStatus().size() - 1
        numbers.executors.set(executors)
        if executors:
            executors_seen = time.monotonic()
        elif time.monotonic() - executors_seen > config.spark.executors_wait_seconds:
            raise StopError(
                f"no executor for {config.spark.executors_wait_seconds:.0f} s: is a worker registered at"
                f" {config.spark.master}, with"
                f" {config.spark.executor_cores} cores and {config.spark.executor_memory} free?"
            )


def _set_aside_if_damaged(running: Any, place: checkpoint.Checkpoint, numbers: metrics.Metrics) -> None:
    """Move a state out of the way that cannot be loaded, so that the next start counts anew.

    Only if this process committed nothing with it: otherwise the next start may find it well.
    """
    if "batch" not in numbers.status and any(name in str(running.exception()) for name in _DAMAGE):
        _log.error("the state is damaged: the next start counts anew", moved_to=place.set_aside())


def _tick(
    config: Config,
    sink: Sink,
    lock: threading.Lock,
    kafka: KafkaConsumer,
    numbers: metrics.Metrics,
    told: threading.Event,
) -> None:
    """Between batches too, names are learned and the lag is known."""
    while not told.wait(_TICK_SECONDS):
        try:
            if lock.acquire(blocking=False):
                try:
                    sink.tick()
                finally:
                    lock.release()
            numbers.offsets("end", topics.ends(kafka, config.prefixed_topics))
        except (KafkaError, DriverException, NoHostAvailable, OSError) as error:
            _log.warning("names, gaps and lag are not known at the moment", reason=_reason(error))


def _stop(running: Any, seconds: float) -> None:
    """Let the running batch finish, so that the next start need not repeat it; then stop the query."""
    _log.info("stopping", within_s=seconds)
    deadline = time.monotonic() + seconds
    while running.isActive and running.status["isTriggerActive"] and time.monotonic() < deadline:
        time.sleep(0.1)
    running.stop()


def _close(spark: SparkSession | None, cassandra: Any) -> None:
    for close in (spark and spark.stop, cassandra and cassandra.cluster.shutdown):
        if close:
            try:
                close()
            except Exception as error:  # noqa: BLE001 - on the way out, what is already gone need not be closed
                _log.warning("not closed", reason=_reason(error))


def _serve(config: Config, numbers: metrics.Metrics) -> None:
    def ready() -> str:
        state = numbers.status["state"]
        return "" if state == "running" else f"the query is {state}"

    try:
        metrics.serve(numbers, config.http.address, config.http.port, lambda: "", ready)
    except OSError as error:
        raise BadInputError(
            f"http.port = {config.http.port} on {config.http.address} cannot be had"
            f" ({os.strerror(error.errno or 0)}): choose another"
        ) from error


def _hear(told: threading.Event) -> None:
    def handler(number: int, frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)


def _reason(error: Any) -> str:
    """The first telling line of an error, also of one from the other side of the bridge."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith("Caused by:")]
    first = lines[0] if lines else type(error).__name__
    return f"{first} ({causes[-1]})"[:1000] if causes else first[:1000]
