"""A session with Cassandra, begun when it is first needed and again after it could not be had."""

import threading
import time

from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from citypulse.board.config import Cassandra

_PAUSE_SECONDS = 2.0
"""So long nobody tries again after a failure: all viewers would wait, one after the other."""


class Database:
    """For many threads."""

    def __init__(self, config: Cassandra) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._failed: tuple[float, Exception] | None = None

    def session(self) -> Session:
        """The session.

        Raises:
            cassandra.cluster.NoHostAvailable, cassandra.DriverException: Cassandra does not answer.
        """
        with self._lock:
            if self._session is not None:
                return self._session
            if self._failed is not None and time.monotonic() - self._failed[0] < _PAUSE_SECONDS:
                raise self._failed[1]
            try:
                self._session = self._connected()
            except (NoHostAvailable, DriverException) as error:
                self._failed = (time.monotonic(), error)
                raise
            return self._session

    def close(self) -> None:
        """Leave Cassandra."""
        with self._lock:
            if self._session is not None:
                self._session.cluster.shutdown()
                self._session = None

    def _connected(self) -> Session:
        config = self._config
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(config.local_datacenter)),
            consistency_level=ConsistencyLevel.LOCAL_ONE,
            request_timeout=config.request_seconds,
            row_factory=tuple_factory,
        )
        cluster = Cluster(
            list(config.contact_points),
            port=config.port,
            protocol_version=5,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=5.0,
            compression=False,
        )
        try:
            return cluster.connect()
        except BaseException:
            cluster.shutdown()
            raise
