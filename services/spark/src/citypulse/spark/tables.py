"""Cassandra: connecting, making the tables, and running many statements until all of them are done."""

import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import structlog
from cassandra import ConsistencyLevel, DriverException, InvalidRequest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.concurrent import execute_concurrent
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy
from cassandra.protocol import ConfigurationException

from citypulse.spark.config import Cassandra, Config
from citypulse.spark.errors import BadInputError, StopError

_log = structlog.get_logger()

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


def connect(cassandra: Cassandra) -> Session:
    """A session with the configured consistency and a connection to each node of the data centre.

    Raises:
        cassandra.cluster.NoHostAvailable: no contact point answers.
    """
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(cassandra.local_datacenter)),
        consistency_level=ConsistencyLevel.name_to_value[cassandra.consistency],
        request_timeout=cassandra.request_seconds,
    )
    cluster = Cluster(
        list(cassandra.contact_points),
        port=cassandra.port,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ExponentialReconnectionPolicy(0.5, 10.0),
        connect_timeout=10.0,
        compression=False,
    )
    try:
        return cluster.connect()
    except BaseException:
        cluster.shutdown()
        raise


def wait(cassandra: Cassandra, stopped: Callable[[], bool] = lambda: False) -> Session:
    """A session, as soon as Cassandra answers; says every few seconds what it waits for.

    Raises:
        StopError: it did not answer in `cassandra.wait_seconds`, or the process was told to stop.
    """
    began, said = time.monotonic(), 0.0
    while True:
        try:
            return connect(cassandra)
        except (NoHostAvailable, DriverException, OSError) as error:
            waited = time.monotonic() - began
            where = f"{','.join(cassandra.contact_points)} port {cassandra.port}"
            if stopped():
                raise StopError("stopped while waiting for Cassandra") from None
            if waited > cassandra.wait_seconds:
                raise StopError(
                    f"cassandra.contact_points = {where} did not answer within"
                    f" {cassandra.wait_seconds:.0f} s: {_short(error)}"
                ) from error
            if waited - said >= 5 or not said:
                _log.info("waiting for Cassandra", where=where, waited_s=round(waited), reason=_short(error))
                said = waited or 0.001
            time.sleep(1)


def create(session: Session, config: Config) -> None:
    """Make the run's keyspace and tables where they are missing, and give them the configured TTL and
    compaction.

    Raises:
        BadInputError: Cassandra refuses a statement because of what is configured.
    """
    for statement in statements(config):
        try:
            session.execute(statement, timeout=60)
        except (InvalidRequest, ConfigurationException) as error:
            head = statement.partition("\n")[0]
            raise BadInputError(f"cassandra: {_short(error)} (in: {head})") from error


def statements(config: Config) -> list[str]:
    """The schema's statements with the configured values filled in."""
    cassandra = config.cassandra
    text = resources.files("citypulse.spark").joinpath("schema.cql").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    filled = "\n".join(lines).format(
        keyspace=config.keyspace,
        datacenter=cassandra.local_datacenter,
        replication_factor=cassandra.replication_factor,
        windows_compaction=_map(cassandra.windows_compaction),
        cities_compaction=_map(cassandra.cities_compaction),
        windows_ttl=round(cassandra.windows_ttl_days * 86400),
    )
    return [statement.strip() for statement in filled.split(";") if statement.strip()]


def execute_all(
    session: Session,
    todo: Sequence[tuple[Any, Any]],
    concurrency: int,
    seconds: float,
    pause: float = _FIRST_PAUSE,
) -> None:
    """Run idempotent statements side by side; what fails is tried again with a growing pause.

    Args:
        todo: statements with their parameters.
        concurrency: requests under way at a time.
        seconds: after so long the last failure is raised.
    """
    deadline = time.monotonic() + seconds
    left = list(todo)
    while left:
        results = execute_concurrent(session, left, concurrency=concurrency, raise_on_first_error=False)
        failed = [(one, result[1]) for one, result in zip(left, results, strict=True) if not result[0]]
        if failed and (time.monotonic() + pause > deadline or isinstance(failed[0][1], InvalidRequest)):
            raise failed[0][1]
        left = [one for one, _ in failed]
        if left:
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _map(options: dict[str, str]) -> str:
    quoted = (
        f"'{key.replace(chr(39), '')}': '{value.replace(chr(39), '')}'" for key, value in options.items()
    )
    return "{" + ", ".join(quoted) + "}"


def _short(error: BaseException) -> str:
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) and error.errors:
        error = next(iter(error.errors.values()))
    return str(error).partition("\n")[0][:300]
