"""A session with Cassandra, waited for at a start."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy

from citypulse.spark.config import Cassandra
from citypulse.spark.errors import StopError

_log = structlog.get_logger()


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
            if stopped():
                raise StopError("stopped while waiting for Cassandra") from None
            if waited > cassandra.wait_seconds:
                raise StopError(
                    f"cassandra.contact_points = {_where(cassandra)} did not answer within"
                    f" {cassandra.wait_seconds:.0f} s: {short(error)}"
                ) from error
            if waited - said >= 5 or not said:
                _log.info(
                    "waiting for Cassandra",
                    where=_where(cassandra),
                    waited_s=round(waited),
                    reason=short(error),
                )
                said = waited or 0.001
            time.sleep(1)


@contextmanager
def session(cassandra: Cassandra) -> Iterator[Session]:
    """A session for a command: waited for, closed at its end.

    Raises:
        StopError: Cassandra did not answer in `cassandra.wait_seconds`, or failed at a request in the body.
    """
    one = wait(cassandra)
    try:
        yield one
    except (NoHostAvailable, DriverException) as error:
        raise StopError(
            f"cassandra.contact_points = {_where(cassandra)} failed at a request, start the command again:"
            f" {short(error)}"
        ) from error
    finally:
        one.cluster.shutdown()


_sessions: dict[str, Session] = {}
"""One for each process of an executor, kept from batch to batch."""


def connected(cassandra: Cassandra) -> Session:
    """This process's session, waited for when it is made.

    Raises:
        StopError: Cassandra did not answer in `cassandra.wait_seconds`.
    """
    key = f"{cassandra}"
    if key not in _sessions:
        _sessions[key] = wait(cassandra)
    return _sessions[key]


def short(error: BaseException) -> str:
    """The first line of what Cassandra, or the first of its nodes, answered."""
    if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict) and error.errors:
        error = next(iter(error.errors.values()))
    return str(error).partition("\n")[0][:300]


def _where(cassandra: Cassandra) -> str:
    return f"{','.join(cassandra.contact_points)} port {cassandra.port}"
