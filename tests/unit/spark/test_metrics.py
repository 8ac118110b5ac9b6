"""What is said of a batch: freshness, offsets, lag, and the text that Prometheus reads."""

# ruff: noqa: S310 - the addresses are our own

import json
import urllib.error
import urllib.request

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from citypulse.spark.counting.progress import Progress, note
from citypulse.spark.metrics import Freshness, Metrics, serve

PROGRESS = {
    "batchId": 4,
    "numInputRows": 30,
    "durationMs": {"triggerExecution": 1500, "addBatch": 1200},
    "eventTime": {"watermark": "2026-01-01T00:00:00.000Z"},
    "stateOperators": [
        {
            "operatorName": "stateStoreSave",
            "numRowsTotal": 12,
            "memoryUsedBytes": 5,
            "numRowsDroppedByWatermark": 2,
            "customMetrics": {},
        },
        {
            "operatorName": "dedupeWithinWatermark",
            "numRowsTotal": 40,
            "memoryUsedBytes": 6,
            "numRowsDroppedByWatermark": 1,
            "customMetrics": {"numDroppedDuplicateRows": 4},
        },
    ],
    "sources": [{"endOffset": {"tweets": {"0": 7, "1": 9}}, "latestOffset": {"tweets": {"0": 10, "1": 9}}}],
    "observedMetrics": {
        "events": {"records": 30, "unusable": 1, "future": 2, "located": 20, "received": [1000, 2000]}
    },
}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return {
        (one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples
    }


def test_a_progress_becomes_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    monkeypatch.setattr("citypulse.spark.metrics.time.time_ns", lambda: 3_000 * 1_000_000)
    metrics.wrote(4, cells=5, rows=11)
    note(PROGRESS, metrics)
    found = samples(metrics)
    assert found["citypulse_spark_records_total", ()] == 30
    assert found["citypulse_spark_unusable_records_total", ()] == 1
    assert found["citypulse_spark_future_records_total", ()] == 2
    assert found["citypulse_spark_late_records_total", ()] == 3
    assert found["citypulse_spark_duplicate_records_total", ()] == 4
    assert found["citypulse_spark_processed_offset", ("0", "tweets")] == 7
    assert found["citypulse_spark_lag_records", ("0", "tweets")] == 3
    assert found["citypulse_spark_lag_records", ("1", "tweets")] == 0
    assert found["citypulse_spark_watermark_timestamp_seconds", ()] == 1767225600
    assert found["citypulse_spark_freshness_seconds_count", ()] == 20
    assert found["citypulse_spark_freshness_seconds_sum", ()] == 10 * 1 + 10 * 2
    assert metrics.status["batch"] == 4


class Recent:
    """A record of a trigger, as the other side of the bridge has it."""

    def __init__(self, at: int, batch: int, *, idle: bool = False, text: str = "") -> None:
        self.at, self.idle = f"2026-01-01T00:00:{at:02d}.000Z", idle
        self.text = text or json.dumps({**PROGRESS, "batchId": batch})

    def timestamp(self) -> str:
        return self.at

    def durationMs(self) -> "Recent":  # noqa: N802 - as Spark has it
        return self

    def containsKey(self, phase: str) -> bool:  # noqa: N802
        return not self.idle

    def json(self) -> str:
        return self.text


class Query:
    """A query that keeps its last records."""

    def __init__(self) -> None:
        self._jsq = self
        self.kept: list[Recent] = []

    def recentProgress(self) -> list[Recent]:  # noqa: N802
        return self.kept[-3:]


def test_each_batch_is_noted_once_whatever_lies_between() -> None:
    metrics, query = Metrics(), Query()
    progress = Progress(query, metrics)

    def counted() -> float:
        progress.take()
        return samples(metrics)["citypulse_spark_batches_total", ()]

    assert counted() == 0
    # While nothing comes, Spark tells of the batch that is to come.
    query.kept += [Recent(1, 0, idle=True), Recent(2, 0)]
    assert counted() == counted() == 1
    query.kept += [Recent(12, 1, idle=True)]
    assert counted() == 1
    query.kept += [Recent(22, 1, idle=True), Recent(30, 1), Recent(31, 2)]
    assert counted() == counted() == 3
    query.kept += [Recent(32, 3, text="{"), Recent(33, 4)]
    assert counted() == 4
    assert metrics.status["batch"] == 4


def test_a_batch_that_this_process_did_not_write_has_no_freshness() -> None:
    metrics = Metrics()
    note(PROGRESS, metrics)
    assert metrics.freshness.quantile(0.5) is None


def test_quantiles_lie_in_the_bucket_of_their_events() -> None:
    freshness = Freshness()
    freshness.add([0] * 99 + [-50_000], events=1000, written_ms=2200)
    assert 2 <= (freshness.quantile(0.5) or 0) <= 2.5
    assert 2 <= (freshness.quantile(0.98) or 0) <= 2.5
    assert 50 <= (freshness.quantile(1.0) or 0) <= 60


def test_a_clock_that_runs_behind_gives_no_negative_freshness() -> None:
    freshness = Freshness()
    freshness.add([5000], events=1, written_ms=1000)
    assert 0 <= (freshness.quantile(1.0) or -1) <= 0.25


def test_health_and_readiness_answer_with_their_reason() -> None:
    ready = ["the query is starting"]
    server = serve(Metrics(), "127.0.0.1", 0, lambda: "", lambda: ready[0])
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        assert urllib.request.urlopen(f"{base}/healthz").read() == b"ok\n"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{base}/readyz")
        assert (caught.value.code, caught.value.read()) == (503, b"the query is starting\n")
        ready[0] = ""
        assert urllib.request.urlopen(f"{base}/readyz").status == 200
        assert b"citypulse_spark_records_total" in urllib.request.urlopen(f"{base}/metrics").read()
        assert b"freshness_p50_s" in urllib.request.urlopen(f"{base}/status").read()
    finally:
        server.shutdown()
        server.server_close()
