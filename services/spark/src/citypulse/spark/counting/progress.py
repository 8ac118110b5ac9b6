"""What Spark says of a batch after its commit becomes metrics and one line of log."""

import datetime
import time
from typing import Any

import msgspec
import structlog
from pyspark.sql.streaming import StreamingQueryListener

from citypulse.spark.counting import query
from citypulse.spark.metrics import Metrics

_log = structlog.get_logger()

Offsets = dict[str, dict[str, int]]


class Listener(StreamingQueryListener):  # type: ignore[misc]
    """Hears of each committed batch."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802
        """Nothing to tell yet."""

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802
        """Nothing new arrived."""

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
        """The job watches the query itself."""

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        """A batch was committed."""
        try:
            note(msgspec.json.decode(event.progress.json), self._metrics)
        except Exception:  # noqa: BLE001 - the other side of the bridge would swallow it
            _log.exception("a batch's progress could not be read")


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
