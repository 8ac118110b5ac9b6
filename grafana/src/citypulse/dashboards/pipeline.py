"""Pipeline: from X to a row, each step's rate, what waits between the steps, and how old the numbers are."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries

from citypulse.dashboards import metrics, panels
from citypulse.dashboards.metrics import Metric

_RUN = '{run="$run"}'


def dashboard() -> builders.Dashboard:
    """The dashboard."""
    made = (
        builders.Dashboard("Pipeline")
        .uid("citypulse-pipeline")
        .description(
            "From X's stream to a row of Cassandra: what flows, what waits, and how old the numbers are."
        )
        .variables([metrics.run()])
    )
    for panel in (
        _rates().span(24).height(10),
        _waiting().span(12).height(9),
        _journal().span(12).height(9),
        _freshness().span(12).height(9),
        _batches().span(12).height(9),
        _states().span(12).height(9),
        _gaps().span(12).height(9),
        _aside().span(12).height(9),
        _watermark().span(12).height(9),
        _spend().span(12).height(9),
        _retweets().span(12).height(9),
    ):
        made = made.with_panel(panel)
    return made


def _rate(name: str, shown: str, reference: str) -> Metric:
    return Metric(shown, f"sum(rate(citypulse_{name}{_RUN}[$__rate_interval]))", reference)


def _rates() -> timeseries.Panel:
    return panels.measured(
        "Tweets a second at each step",
        "Read from X, safe in the journal, acknowledged by both brokers' replicas, counted by the job. They"
        " lie on each other while all is well.",
        4,
        "ops",
        _rate("producer_received_total", "read from X", "A"),
        _rate("producer_accepted_total", "in the journal", "B"),
        _rate("producer_acknowledged_total", "in Kafka", "C"),
        _rate("spark_records_total", "counted", "D"),
    )


def _waiting() -> timeseries.Panel:
    return panels.measured(
        "What waits",
        "Records in the journal that Kafka has not acknowledged, and records in Kafka that the job has not"
        " counted.",
        2,
        "locale",
        Metric("in the journal", f"sum(citypulse_producer_journal_backlog_records{_RUN})", "A"),
        Metric("in Kafka", f"sum(citypulse_spark_lag_records{_RUN})", "B"),
    )


def _journal() -> timeseries.Panel:
    return panels.measured(
        "The journal's oldest waiting record",
        "How old the oldest record is that Kafka has not acknowledged. Kafka keeps a day: what is older"
        " when it arrives is counted late.",
        1,
        "s",
        Metric("age", f"max(citypulse_producer_journal_oldest_age_seconds{_RUN})"),
        limit=72_000,
    )


def _freshness() -> timeseries.Panel:
    def quantile(share: float, reference: str) -> Metric:
        buckets = f"sum by (le) (rate(citypulse_spark_freshness_seconds_bucket{_RUN}[$__rate_interval]))"
        return Metric(f"{share:.0%} within", f"histogram_quantile({share}, {buckets})", reference)

    return panels.measured(
        "Freshness",
        "From the reception of a tweet to the row that counts it.",
        3,
        "s",
        quantile(0.5, "A"),
        quantile(0.95, "B"),
        quantile(0.99, "C"),
    )


def _batches() -> timeseries.Panel:
    took = f"rate(citypulse_spark_batch_seconds_sum{_RUN}[$__rate_interval])"
    count = f"rate(citypulse_spark_batch_seconds_count{_RUN}[$__rate_interval])"
    return panels.measured(
        "A batch's seconds",
        "From a batch's trigger to its commit, on average. Longer than the trigger, and the numbers get"
        " older.",
        1,
        "s",
        Metric("batch", f"sum({took}) / sum({count})"),
    )


def _states() -> timeseries.Panel:
    return panels.measured(
        "Stream and circuit",
        "1 for the state that the connection to X, or the sending to Kafka, is in.",
        10,
        "locale",
        Metric(
            "stream {{citypulse_producer_stream_state}}",
            f"max by (citypulse_producer_stream_state) (citypulse_producer_stream_state{_RUN}) > 0",
            "A",
        ),
        Metric(
            "circuit {{citypulse_producer_circuit_state}}",
            f"max by (citypulse_producer_circuit_state) (citypulse_producer_circuit_state{_RUN}) > 0",
            "B",
        ),
    )


def _gaps() -> timeseries.Panel:
    return panels.measured(
        "Gaps",
        "Seconds in which tweets may not have been received and were not fetched again.",
        1,
        "s",
        Metric("not received", f"sum(citypulse_producer_open_gap_seconds{_RUN})"),
    )


def _aside() -> timeseries.Panel:
    return panels.measured(
        "What does not count at once, a second",
        "Too late for its window and recounted within minutes; no event; of the future; a copy; at a place"
        " whose city is not known, which counts for its country alone.",
        5,
        "ops",
        _rate("spark_late_records_total", "late", "A"),
        _rate("spark_unusable_records_total", "no event", "B"),
        _rate("spark_future_records_total", "of the future", "C"),
        _rate("spark_duplicate_records_total", "copies", "D"),
        _rate("producer_unresolved_places_total", "no city", "E"),
    )


def _watermark() -> timeseries.Panel:
    return panels.measured(
        "The watermark's delay, and windows to be recounted",
        "How far the watermark, before which a tweet is late, lies behind the present; and how many windows"
        " are on the list.",
        2,
        "locale",
        Metric("delay, seconds", f"time() - max(citypulse_spark_watermark_timestamp_seconds{_RUN} > 0)", "A"),
        Metric("windows", f"sum(citypulse_spark_recounts_due{_RUN})", "B"),
    )


def _spend() -> timeseries.Panel:
    share = f"citypulse_producer_spend_posts{_RUN} / (citypulse_producer_spend_limit_posts{_RUN} > 0)"
    return panels.measured(
        "Spend",
        "Posts that X has delivered in this day and this month, as a share of the limit at which reading"
        " stops.",
        2,
        "percentunit",
        Metric("of the {{period}}", f"max by (period) ({share})"),
        limit=0.8,
    )


def _retweets() -> timeseries.Panel:
    return panels.measured(
        "Posts watched for retweets",
        "Located posts whose retweets X is asked for, and those that are remembered.",
        2,
        "locale",
        Metric("watched", f"sum(citypulse_producer_originals_watched{_RUN})", "A"),
        Metric("remembered", f"sum(citypulse_producer_originals_candidates{_RUN})", "B"),
    )
