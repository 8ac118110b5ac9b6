"""What the job says of itself: Prometheus metrics, a status in JSON, health and readiness, over HTTP on one
address."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_BATCH_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 300)
_FRESHNESS_BUCKETS = (
    *(0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 11, 12, 15, 20, 25, 30, 40, 50, 60, 62, 65, 68),
    *(75, 90, 120, 180, 300, 600, 1800, 3600),
)


_KEPT_BATCHES = 100


class Freshness:
    """Seconds from the reception of an event to the row that counts it, as a histogram to which many can be
    added at a time."""

    def __init__(self) -> None:
        self._counts = [0.0] * (len(_FRESHNESS_BUCKETS) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def add(self, received_ms: Sequence[int], events: int, written_ms: int) -> None:
        """Add a batch.

        Args:
            received_ms: evenly spaced percentiles of when its events were received.
            events: how many they stand for.
            written_ms: when its last row was written.
        """
        with self._lock:
            for received in received_ms:
                seconds = max(0.0, (written_ms - received) / 1000)
                weight = events / len(received_ms)
                self._counts[bisect_left(_FRESHNESS_BUCKETS, seconds)] += weight
                self._sum += seconds * weight

    def quantile(self, share: float) -> float | None:
        """Seconds that this share of all events stayed under, interpolated within its bucket; None before the
        first event."""
        with self._lock:
            counts = list(self._counts)
        wanted = share * sum(counts)
        low = seen = 0.0
        for count, high in zip(counts, (*_FRESHNESS_BUCKETS, _FRESHNESS_BUCKETS[-1]), strict=True):
            if count and seen + count >= wanted:
                return low + (high - low) * (wanted - seen) / count
            seen, low = seen + count, high
        return None

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For the registry."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        buckets: list[tuple[str, float]] = []
        seen = 0.0
        for count, bound in zip(counts, (*map(str, _FRESHNESS_BUCKETS), "+Inf"), strict=True):
            seen += count
            buckets.append((bound, seen))
        family = HistogramMetricFamily(
            "citypulse_spark_freshness_seconds", "From the reception of an event to the row that counts it"
        )
        family.add_metric([], buckets, total)
        yield family


class Wrote(NamedTuple):
    """What a batch wrote."""

    at: int
    """When its last row was written, in ms."""
    cells: int
    rows: int


class Metrics:
    """All metrics of one job."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.freshness = Freshness()
        registry.register(self.freshness)

        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
            return Counter(f"citypulse_spark_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
            return Gauge(f"citypulse_spark_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str) -> Histogram:
            return Histogram(f"citypulse_spark_{name}", text, buckets=_BATCH_BUCKETS, registry=registry)

        self.records = counter("records_total", "Records read from Kafka in committed batches")
        self.unusable = counter(
            "unusable_records_total", "Of them, those that are no event; they count nowhere"
        )
        self.future = counter(
            "future_records_total", "Of them, events too far ahead of the broker's clock; they count nowhere"
        )
        self.located = counter("located_records_total", "Of them, events with a country")
        self.duplicates = counter(
            "duplicate_records_total", "Events of a post and feed that had been counted"
        )
        self.late = counter("late_records_total", "Rows older than the watermark, to be recounted")
        self.lost = counter("lost_records_total", "Records that retention took before they were read")
        self.cells = counter("cells_total", "Cells written")
        self.rows = counter("rows_total", "Rows written to Cassandra")
        self.batches = counter("batches_total", "Committed batches")
        self.batch_seconds = histogram("batch_seconds", "From a batch's trigger to its commit")
        self.write_seconds = histogram(
            "compute_and_write_seconds", "Of that, computing the cells and writing them"
        )
        self.trigger = gauge("trigger_seconds", "Seconds between two batches' triggers; 0 for none")
        self.phase = gauge("batch_phase_seconds", "Phases of the last batch, as Spark names them", ("phase",))
        self.processed = gauge(
            "processed_offset", "End offset of the last committed batch", ("topic", "partition")
        )
        self.end = gauge("end_offset", "End offset of the topic", ("topic", "partition"))
        self.lag = gauge("lag_records", "Records not yet processed", ("topic", "partition"))
        self.watermark = gauge("watermark_timestamp_seconds", "Event time before which events are late")
        self.state_rows = gauge("state_rows", "Rows of a stateful operator", ("operator",))
        self.state_bytes = gauge("state_bytes", "Memory of a stateful operator", ("operator",))
        self.unnamed_cities = gauge("unnamed_cities", "Cities counted whose name is not known yet")
        self.gaps = gauge(
            "open_gaps", "Gaps in reception that are not filled, as far back as windows are kept"
        )
        self.due = gauge("recounts_due", "Windows on the list of those to be recounted", ("reason",))
        self.executors = gauge("executors", "Executors that the driver has")
        self.last_batch = gauge("last_batch_timestamp_seconds", "When the last batch was committed")
        self.rolling_seconds = histogram("rolling_seconds", "Looking for what changes hours and ranks")
        self.rolled = gauge("rolled_timestamp_seconds", "What was written before it is in hours and ranks")
        self.rolled_hours = counter("rolled_hours_total", "Hours merged from their windows")
        self.rank_rows = counter("rank_rows_total", "Rows of ranks that differed and were written")
        self.rolling_cells = gauge("rolling_cells", "Cells that are kept in memory for hours and ranks")
        self._wrote: dict[int, Wrote] = {}
        self.status: dict[str, Any] = {"state": "starting", "processed": {}, "end": {}}

    def wrote(self, batch: int, cells: int, rows: int) -> None:
        """A batch's rows are written, though it is not committed yet."""
        self._wrote[batch] = Wrote(time.time_ns() // 1_000_000, cells, rows)
        self._wrote.pop(batch - _KEPT_BATCHES, None)
        self.cells.inc(cells)
        self.rows.inc(rows)

    def wrote_of(self, batch: int) -> Wrote | None:
        """What a batch wrote; None where it is long ago, or was another process's."""
        return self._wrote.get(batch)

    def offsets(self, which: str, offsets: dict[str, dict[str, int]]) -> None:
        """Note processed or end offsets by topic and partition, and the lag between both."""
        self.status[which] = offsets
        gauges = {"processed": self.processed, "end": self.end}
        for topic, partitions in offsets.items():
            for partition, offset in partitions.items():
                gauges[which].labels(topic, partition).set(offset)
        processed, end = self.status["processed"], self.status["end"]
        for topic, partitions in end.items():
            for partition, offset in partitions.items():
                self.lag.labels(topic, partition).set(
                    max(0, offset - processed.get(topic, {}).get(partition, 0))
                )


def serve(
    metrics: Metrics, address: str, port: int, healthy: Callable[[], str], ready: Callable[[], str]
) -> ThreadingHTTPServer:
    """Serve in a thread of its own.

    Args:
        healthy, ready: give an empty text, or the reason why not (answered with 503).

    Raises:
        OSError: the address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif path == "/status":
                quantiles = {
                    "freshness_p50_s": metrics.freshness.quantile(0.5),
                    "freshness_p99_s": metrics.freshness.quantile(0.99),
                }
                self._answer(200, "application/json", msgspec.json.encode(metrics.status | quantiles))
            elif path in ("/healthz", "/readyz"):
                reason = healthy() if path == "/healthz" else ready()
                self._answer(503 if reason else 200, "text/plain", (reason or "ok").encode() + b"\n")
            else:
                self._answer(404, "text/plain", b"/metrics /status /healthz /readyz\n")

        def _answer(self, code: int, kind: str, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
