"""What Spark knows of a batch before it is committed, read from the execution that is under way.

The progress says the same, but only after the commit, when a crash could already have lost it.
"""

from typing import Any

import msgspec

from citypulse.spark.topics import Offsets


class Batch(msgspec.Struct, frozen=True):
    """A batch whose rows are computed."""

    start: Offsets
    """The first offsets that were asked for."""
    end: Offsets
    """The offsets after the last ones."""
    late_until: int
    """Events created at it or before were late: ms since the epoch. It is the watermark of the batch before,
    since a watermark is computed from a batch and applies from the next one on."""
    watermark: int
    """The watermark that the batches before gave, and that applies to the next: ms since the epoch; 0 in the
    first."""
    late: int
    """Rows that stateful operators dropped for it."""
    records: int
    """Records that were read."""
    faulty: int
    """Of them, those that count nowhere."""

    @property
    def asked(self) -> int:
        """Records that lie between the offsets."""
        return sum(
            offset - self.start.get(topic, {}).get(partition, 0)
            for topic, partitions in self.end.items()
            for partition, offset in partitions.items()
        )

    @property
    def lost(self) -> int:
        """Records that were deleted before they could be read."""
        return max(self.asked - self.records, 0)


def read(query: Any, observed: str) -> Batch:
    """The batch that a streaming query executes, after the action on it.

    Args:
        query: a `pyspark.sql.streaming.StreamingQuery`.
        observed: name of the observation with `records`, `unusable` and `future`.
    """
    # PySpark has no way to an execution; the pinned version's JVM has.
    execution = query._jsq.streamingQuery().lastExecution()
    start: Offsets = {}
    end: Offsets = {}
    late_until = watermark = late = 0
    for node in _nodes(execution.executedPlan()):
        metrics = node.metrics()
        if metrics.contains("numRowsDroppedByWatermark"):
            late += metrics.apply("numRowsDroppedByWatermark").value()
            late_until = max(late_until, node.eventTimeWatermarkForLateEvents().get())
            watermark = max(watermark, node.eventTimeWatermarkForEviction().get())
        if node.getClass().getSimpleName() == "MicroBatchScanExec":
            start = msgspec.json.decode(node.start().json(), type=Offsets)
            end = msgspec.json.decode(node.end().json(), type=Offsets)
    rows = execution.observedMetrics()
    seen = msgspec.json.decode(rows.apply(observed).json()) if rows.contains(observed) else {}
    faulty = seen.get("unusable", 0) + seen.get("future", 0)
    return Batch(start, end, late_until, watermark, late, seen.get("records", 0), faulty)


def _nodes(node: Any) -> Any:
    yield node
    children = node.children()
    for number in range(children.size()):
        yield from _nodes(children.apply(number))
