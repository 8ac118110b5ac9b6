"""The configuration of job, verify and drop: one TOML file, every key of it also an environment variable.

`[cassandra] windows_ttl_days` is `CITYPULSE_SPARK_CASSANDRA_WINDOWS_TTL_DAYS`, the top-level `run` is
`CITYPULSE_SPARK_RUN`; lists are separated by commas, tables (`properties`, compactions) are JSON objects. The
environment wins over the file.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from citypulse import places, settings
from citypulse.spark.errors import BadInputError

PREFIX = "CITYPULSE_SPARK_"

RunName = Annotated[str, Meta(pattern=r"^[a-z0-9]{0,32}$")]
Topic = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
Keyspace = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,15}$")]
Memory = Annotated[str, Meta(pattern=r"^[1-9][0-9]*[mg]$")]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Kafka(settings.Section, frozen=True):
    """The brokers."""

    bootstrap_servers: tuple[str, ...] = ("127.0.0.1:9092", "127.0.0.1:9093")
    wait_seconds: Seconds = 120.0
    """How long the job's start waits for the brokers and its topics, and a batch for brokers."""


class Cassandra(settings.Section, frozen=True):
    """The tables."""

    contact_points: tuple[str, ...] = ("127.0.0.1",)
    port: Port = 9042
    local_datacenter: str = "datacenter1"
    keyspace: Keyspace = "citypulse"
    """Of the live run; a run's own is `<keyspace>_<run>`."""
    replication_factor: Count = 1
    """Copies in `local_datacenter`, for a keyspace that is yet to be made."""
    consistency: Literal["ONE", "LOCAL_ONE", "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM", "ALL"] = "LOCAL_ONE"
    windows_ttl_days: Annotated[float, Meta(gt=0, le=7300)] = 7.0
    windows_compaction: dict[str, str] = msgspec.field(
        default_factory=lambda: {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": "HOURS",
            "compaction_window_size": "6",
        }
    )
    cities_compaction: dict[str, str] = msgspec.field(
        default_factory=lambda: {"class": "UnifiedCompactionStrategy"}
    )
    hours_ttl_days: Annotated[float, Meta(gt=0, le=7300)] = 400.0
    hours_compaction: dict[str, str] = msgspec.field(
        default_factory=lambda: {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": "DAYS",
            "compaction_window_size": "14",
        }
    )
    ranks_compaction: dict[str, str] = msgspec.field(
        default_factory=lambda: {"class": "UnifiedCompactionStrategy"}
    )
    concurrency: Count = 32
    """Requests under way for each writing task."""
    request_seconds: Seconds = 15.0
    wait_seconds: Seconds = 120.0
    """How long the start waits for Cassandra, and how long a batch tries to write before it fails."""


class Http(settings.Section, frozen=True):
    """Where /metrics, /status, /healthz and /readyz are served."""

    address: str = "127.0.0.1"
    port: Port = 9302


class Spark(settings.Section, frozen=True):
    """The cluster, and what the job takes of it."""

    master: str = "spark://127.0.0.1:7077"
    app_name: str = ""
    """As the master shows it; empty: `citypulse`, or `citypulse-<run>`."""
    driver_host: str = "127.0.0.1"
    """Address under which executors reach the driver; the driver listens on it."""
    driver_port: Port = 7090
    driver_block_manager_port: Port = 7091
    block_manager_port: Port = 7092
    """Of the executors; another one on the same host takes the next free port."""
    ui_port: Port = 4040
    """0 for none."""
    driver_memory: Memory = "512m"
    driver_jvm_options: tuple[str, ...] = ("-XX:+UseSerialGC",)
    executor_memory: Memory = "1g"
    executor_jvm_options: tuple[str, ...] = ()
    executor_cores: Count = 2
    cores: Count = 2
    """Cores of all executors together."""
    executors_wait_seconds: Seconds = 120.0
    """How long the job goes on without any executor before it gives up, to be started anew."""
    jars_dir: str = ""
    """Directory with Spark's Kafka connector, on the driver's host."""
    python: str = ""
    """Interpreter of the executors, with this package; empty: the driver's own."""
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    """Any of Spark's own properties; they win over what is set here."""


class Config(settings.Section, frozen=True):
    """Everything the commands can be told."""

    run: RunName = ""
    """A namespace of topics, keyspace and checkpoint; empty is live."""
    topics: tuple[Topic, ...] = ("tweets",)
    """Before the run's prefix."""
    checkpoint_dir: str = ""
    """Path or URL; of this run alone. Executors on other hosts must reach it under the same name."""
    trigger_seconds: Annotated[float, Meta(ge=0)] = 60.0
    watermark_minutes: Annotated[float, Meta(gt=0)] = 10.0
    shuffle_partitions: Count = 2
    """Of the state; frozen in the checkpoint."""
    state_store: Literal["rocksdb", "memory"] = "rocksdb"
    max_offsets_per_trigger: Count = 200_000
    """Events in one micro-batch at most, so that a backlog is taken in bounded steps."""
    tick_seconds: Seconds = 30.0
    """How often hours and ranks are brought up to date, whether something arrives or not."""
    stop_seconds: Seconds = 20.0
    """How long a stop lets the running micro-batch finish."""
    kafka: Kafka = msgspec.field(default_factory=Kafka)
    cassandra: Cassandra = msgspec.field(default_factory=Cassandra)
    http: Http = msgspec.field(default_factory=Http)
    spark: Spark = msgspec.field(default_factory=Spark)

    @property
    def prefixed_topics(self) -> tuple[str, ...]:
        """The topics of events, with the run's prefix."""
        return tuple(f"{self.run}.{topic}" if self.run else topic for topic in self.topics)

    @property
    def places_topic(self) -> str:
        """The compacted topic with the run's places."""
        return places.topic_name(self.run)

    @property
    def keyspace(self) -> str:
        """The run's keyspace."""
        return f"{self.cassandra.keyspace}_{self.run}" if self.run else self.cassandra.keyspace


def load(file: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the configuration.

    Args:
        file: TOML, or None for the environment alone.
        environment: usually `os.environ`.

    Raises:
        BadInputError: a key is unknown, or a value cannot be; the message names it and what to do.
    """
    try:
        config = settings.load(Config, name="job", prefix=PREFIX, file=file, environment=environment)
    except settings.BadSettingError as error:
        raise BadInputError(str(error)) from error
    _check(config)
    return config


def python_of_executors(config: Config) -> str:
    """Path of the interpreter that executors run."""
    return config.spark.python or sys.executable


def _check(config: Config) -> None:
    if not config.topics:
        raise BadInputError("topics is empty: name at least one, as tweets")
    if not config.checkpoint_dir:
        raise BadInputError(
            "checkpoint_dir is not set: give it a directory, or a URL that all executors reach"
        )
    if not config.kafka.bootstrap_servers:
        raise BadInputError("kafka.bootstrap_servers is empty: name the brokers as host:port")
    for server in config.kafka.bootstrap_servers:
        if not re.match(r"^\S+:\d{1,5}$", server):
            raise BadInputError(f"kafka.bootstrap_servers: {server!r} cannot be: write host:port")
    if not config.cassandra.contact_points:
        raise BadInputError("cassandra.contact_points is empty: name at least one host")
    for name in ("windows_compaction", "cities_compaction", "hours_compaction", "ranks_compaction"):
        if "class" not in getattr(config.cassandra, name):
            raise BadInputError(f"cassandra.{name} names no class: add one, as UnifiedCompactionStrategy")
    if config.spark.executor_cores > config.spark.cores:
        raise BadInputError(
            f"spark.executor_cores = {config.spark.executor_cores} is more than"
            f" spark.cores = {config.spark.cores}: lower it"
        )
