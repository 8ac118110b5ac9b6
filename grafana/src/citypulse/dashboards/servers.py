"""Servers: Kafka, ZooKeeper, Cassandra, Spark, their JVMs and hosts, each against its limit."""

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries

from citypulse.dashboards import panels
from citypulse.dashboards.metrics import Metric

_EIGHTY = 0.8
_HOSTS = 20
_JVMS = 30


def dashboard() -> builders.Dashboard:
    """The dashboard."""
    made = (
        builders.Dashboard("Servers")
        .uid("citypulse-servers")
        .description("Kafka, ZooKeeper, Cassandra, Spark, JVMs and hosts. A red line is 80 % of a limit.")
    )
    for panel in (
        _up().span(24).height(9),
        _replicas().span(12).height(9),
        _kafka_times().span(12).height(9),
        _zookeeper().span(12).height(9),
        _cassandra_times().span(12).height(9),
        _cassandra_waits().span(12).height(9),
        _spark().span(12).height(9),
        _heap().span(12).height(9),
        _collections().span(12).height(9),
        _processor().span(12).height(9),
        _memory().span(12).height(9),
        _disk().span(12).height(9),
        _resident().span(12).height(9),
    ):
        made = made.with_panel(panel)
    return made


def _up() -> timeseries.Panel:
    text = "Which of the services answer: 1, or 0 where one does not. A named run has none between its runs."
    return panels.measured(
        "Services",
        text,
        _JVMS,
        "locale",
        Metric("{{job}} {{instance}}", 'up{run!="named"} or up{run="named"} > 0'),
    )


def _replicas() -> timeseries.Panel:
    return panels.measured(
        "Partitions that lack something",
        "Without all replicas in sync; taking no records for want of them; without a leader. And how often"
        " a replica fell behind in a minute.",
        4,
        "locale",
        Metric("under-replicated", "sum(kafka_under_replicated_partitions)", "A"),
        Metric("below min.insync.replicas", "sum(kafka_under_min_isr_partitions)", "B"),
        Metric("offline", "max(kafka_offline_partitions)", "C"),
        Metric("fell behind", "60 * sum(rate(kafka_isr_shrinks_total[$__rate_interval]))", "D"),
    )


def _kafka_times() -> timeseries.Panel:
    return panels.measured(
        "Kafka's request times, 99 %",
        "From a request's arrival to its answer, the slowest broker's. A fetch waits for records, up to"
        " half a second.",
        3,
        "s",
        Metric("{{request}}", 'max by (request) (kafka_request_seconds{quantile="0.99"})'),
    )


def _zookeeper() -> timeseries.Panel:
    return panels.measured(
        "ZooKeeper",
        "Requests that wait in each server, and how long an answer takes on average, in ms.",
        2 * 5,
        "locale",
        Metric("{{instance}} waiting", "zookeeper_outstandingrequests", "A"),
        Metric("{{instance}} ms", "1000 * zookeeper_request_latency_seconds_avg", "B"),
    )


def _cassandra_times() -> timeseries.Panel:
    return panels.measured(
        "Cassandra's request times, 99 %",
        "From a client's request to its answer, the slowest node's.",
        2,
        "s",
        Metric("{{request}}", 'max by (request) (cassandra_request_seconds{quantile="0.99"})'),
    )


def _cassandra_waits() -> timeseries.Panel:
    return panels.measured(
        "What waits in Cassandra",
        "Compactions to be done, writes on their way to other nodes, and messages dropped in a minute for"
        " they were too old.",
        3,
        "locale",
        Metric("compactions", "sum(cassandra_pending_compactions)", "A"),
        Metric("hints", "sum(cassandra_hintsinprogress)", "B"),
        Metric("dropped", "60 * sum(rate(cassandra_dropped_total[$__rate_interval]))", "C"),
    )


def _spark() -> timeseries.Panel:
    return panels.measured(
        "Spark",
        "Workers that the master knows, and executors that the jobs have.",
        3,
        "locale",
        Metric("workers", "sum(metrics_master_aliveWorkers_Value)", "A"),
        Metric("executors, {{run}}", "sum by (run) (citypulse_spark_executors)", "B"),
    )


def _heap() -> timeseries.Panel:
    used = 'jvm_memory_used_bytes{area="heap"}'
    return panels.measured(
        "Heaps",
        "What a JVM's heap holds, as a share of what it may. It falls with every collection.",
        _JVMS,
        "percentunit",
        Metric("{{job}} {{instance}}", f'{used} / jvm_memory_max_bytes{{area="heap"}}'),
        limit=_EIGHTY,
    )


def _collections() -> timeseries.Panel:
    return panels.measured(
        "Garbage collection",
        "Share of the time in which a JVM collects garbage.",
        _JVMS,
        "percentunit",
        Metric(
            "{{job}} {{instance}}",
            "sum by (job, instance) (rate(jvm_gc_collection_seconds_sum[$__rate_interval]))",
        ),
    )


def _processor() -> timeseries.Panel:
    idle = 'rate(node_cpu_seconds_total{mode="idle"}[$__rate_interval])'
    return panels.measured(
        "Processors",
        "Share of a host's processor time that is used.",
        _HOSTS,
        "percentunit",
        Metric("{{instance}}", f"1 - avg by (instance) ({idle})"),
        limit=_EIGHTY,
    )


def _memory() -> timeseries.Panel:
    return panels.measured(
        "Memory",
        "Share of a host's memory that nothing else could have.",
        _HOSTS,
        "percentunit",
        Metric("{{instance}}", "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"),
        limit=_EIGHTY,
    )


def _disk() -> timeseries.Panel:
    disks = '{fstype!~"tmpfs|ramfs|squashfs|overlay"}'
    return panels.measured(
        "Disks",
        "Share of a file system that is used.",
        5 * _HOSTS // 4,
        "percentunit",
        Metric(
            "{{instance}} {{mountpoint}}",
            f"1 - node_filesystem_avail_bytes{disks} / node_filesystem_size_bytes{disks}",
        ),
        limit=_EIGHTY,
    )


def _resident() -> timeseries.Panel:
    return panels.measured(
        "Resident memory",
        "Of each service that tells it.",
        _JVMS,
        "bytes",
        Metric("{{job}} {{instance}}", "process_resident_memory_bytes"),
    )
