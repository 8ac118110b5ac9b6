"""What Spark knows of a batch before it is committed, read from the execution that is under way.

The progress says the same, but only after the commit, when a crash could already have lost it.
"""

import itertools
from typing import Any

import msgspec

from citypulse.spark.topics import Offsets

_LATE = "numRowsDroppedByWatermark"


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


class Reader:
    """Reads the batches of one streaming query."""

    def __init__(self, observed: str) -> None:
        """`observed`: name of the observation with `records`, `unusable` and `future`."""
        self._observed = observed
        self._numbers: list[int] | None = None
        """Of the plan's nodes that tell of a batch. To ask every node takes a tenth of a small batch's time,
        and one batch's plan has the shape of another's."""

    def read(self, query: Any) -> Batch:
        """The batch that is executed, after the action on it.

        Args:
            query: a `pyspark.sql.streaming.StreamingQuery`.
        """
        # PySpark has no way to an execution; the pinned version's JVM has.
        execution = query._jsq.streamingQuery().lastExecution()
        plan = execution.executedPlan()
        if self._numbers is None:
            nodes = itertools.takewhile(lambda node: node is not None, map(plan.apply, itertools.count()))
            self._numbers = [number for number, node in enumerate(nodes) if _tells(node)]
        start: Offsets = {}
        end: Offsets = {}
        late_until = watermark = late = 0
        for node in map(plan.apply, self._numbers):
            if _is_source(node):
                start = msgspec.json.decode(node.start().json(), type=Offsets)
                end = msgspec.json.decode(node.end().json(), type=Offsets)
            else:
                late += node.metrics().apply(_LATE).value()
                late_until = max(late_until, node.eventTimeWatermarkForLateEvents().get())
                watermark = max(watermark, node.eventTimeWatermarkForEviction().get())
        rows = execution.observedMetrics()
        seen = msgspec.json.decode(rows.apply(self._observed).json()) if rows.contains(self._observed) else {}
        faulty = seen.get("unusable", 0) + seen.get("future", 0)
        return Batch(start, end, late_until, watermark, late, seen.get("records", 0), faulty)


def _tells(node: Any) -> bool:
    return _is_source(node) or node.metrics().contains(_LATE)


def _is_source(node: Any) -> bool:
    return bool(node.getClass().getSimpleName() == "MicroBatchScanExec")
