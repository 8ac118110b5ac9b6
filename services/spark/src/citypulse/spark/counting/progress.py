"""What Spark says of a batch after its commit becomes metrics and one line of log."""

import datetime
import time
from typing import Any

import msgspec
import structlog

from citypulse.spark.counting import query
from citypulse.spark.metrics import Metrics

_log = structlog.get_logger()

Offsets = dict[str, dict[str, int]]


class Progress:
    """A query's committed batches, as they come.

    Spark would call a listener, but takes apart what it hands to Python value by value, which costs as much
    processor time as a small batch. It also keeps the last hundred, as text.
    """

    def __init__(self, query: Any, metrics: Metrics) -> None:
        """`query`: a `pyspark.sql.streaming.StreamingQuery`."""
        self._query, self._metrics = query, metrics
        self._seen = ""
        """When the last trigger was of which this was told."""

    def take(self) -> None:
        """Note the batches that were committed since the last time."""
        recent = self._query._jsq.recentProgress()
        new = []
        for place in reversed(range(len(recent))):
            one = recent[place]
            if one.timestamp() == self._seen:
                break
            new.append(one)
        for progress in reversed(new):
            self._seen = progress.timestamp()
            if _is_batch(progress):
                try:
                    note(msgspec.json.decode(progress.json()), self._metrics)
                except Exception:  # noqa: BLE001 - the batch is committed, whatever is said of it
                    _log.exception("a batch's progress could not be read")


def _is_batch(progress: Any) -> bool:
    """Whether it tells of a batch. While nothing comes others tell of that, under the next batch's number."""
    return bool(progress.durationMs().containsKey("addBatch"))


def note(progress: dict[str, Any], metrics: Metrics) -> None:
    """Take over a progress as Spark writes it in JSON."""
    source = progress["sources"][0]
    if processed := _offsets(source.get("endOffset")):
        metrics.offsets("processed", processed)
    if latest := _offsets(source.get("latestOffset")):
        metrics.offsets("end", latest)
    seconds = progress["durationMs"].get("triggerExecution", 0) / 1000
    for phase, milliseconds in progress["durationMs"].items():
        metrics.phase.labels(phase).set(milliseconds / 1000)
    if watermark := (progress.get("eventTime") or {}).get("watermark"):
        metrics.watermark.set(datetime.datetime.fromisoformat(watermark).timestamp())
    late = duplicates = 0
    for number, operator in enumerate(progress["stateOperators"]):
        name = f"{number}-{operator['operatorName']}"
        metrics.state_rows.labels(name).set(operator["numRowsTotal"])
        metrics.state_bytes.labels(name).set(operator["memoryUsedBytes"])
        late += operator["numRowsDroppedByWatermark"]
        duplicates += operator["customMetrics"].get("numDroppedDuplicateRows", 0)
    metrics.late.inc(late)
    metrics.duplicates.inc(duplicates)
    records = progress["numInputRows"]
    if not records:
        return
    observed = (progress.get("observedMetrics") or {}).get(query.OBSERVED) or {}
    unusable = observed.get("unusable") or 0
    metrics.records.inc(records)
    future = observed.get("future") or 0
    metrics.unusable.inc(unusable)
    metrics.future.inc(future)
    metrics.located.inc(observed.get("located") or 0)
    metrics.batches.inc()
    metrics.batch_seconds.observe(seconds)
    metrics.last_batch.set(time.time())
    metrics.status["state"] = "running"
    metrics.status["batch"] = progress["batchId"]
    wrote = metrics.wrote_of(progress["batchId"])
    if wrote is not None and observed.get("received"):
        metrics.freshness.add(observed["received"], observed["located"], wrote.at)
    _log.info(
        "batch",
        batch=progress["batchId"],
        records=records,
        unusable=unusable,
        future=future,
        late=late,
        duplicates=duplicates,
        cells=wrote.cells if wrote else None,
        rows=wrote.rows if wrote else None,
        seconds=seconds,
        phases=progress["durationMs"],
    )


def _offsets(text: Any) -> Offsets:
    value = msgspec.json.decode(text) if isinstance(text, str) else text
    return value if isinstance(value, dict) else {}
