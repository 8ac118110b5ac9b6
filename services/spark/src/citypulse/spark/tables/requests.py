"""Statements that are bound become requests.

Statements of one partition travel as one batch, which Cassandra applies as a single mutation. Partitions that
are kept by the same nodes travel together: a request costs client and server as much as several rows. The
Spark Cassandra Connector does so with `output.batch.grouping.key = replica_set`.
"""

from collections.abc import Iterable, Iterator, Sequence

from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, BoundStatement

_ROWS = 100
_PARTITION_BYTES = 128 << 10
_TOGETHER_BYTES = 40 << 10
"""Of several partitions; Cassandra refuses what is beyond its `batch_size_fail_threshold` of 50 KiB."""
_COLUMN_BYTES = 16
"""No less than a column takes beside its value: its timestamp, its time to live, its length."""


def requests(
    session: Session, keyspace: str, partitions: Iterable[Sequence[BoundStatement]]
) -> Iterator[BatchStatement]:
    """Batches of a bounded size.

    Args:
        session: that the statements were prepared with.
        keyspace: of all of them.
        partitions: the statements of each, idempotent.
    """
    filling: dict[frozenset[str], _Part] = {}
    for partition in partitions:
        for part in _parts(partition):
            if part.size > _TOGETHER_BYTES:
                yield part.batch()
                continue
            nodes = _nodes(session, keyspace, part.statements[0])
            into = filling.setdefault(nodes, _Part())
            if into.statements and not into.holds(part, _TOGETHER_BYTES):
                yield into.batch()
                into = filling[nodes] = _Part()
            into.add(part)
    for part in filling.values():
        yield part.batch()


class _Part:
    """Statements of one batch."""

    def __init__(self, statements: Sequence[BoundStatement] = (), size: int = 0) -> None:
        self.statements = list(statements)
        self.size = size

    def holds(self, more: "_Part", limit: int) -> bool:
        return len(self.statements) + len(more.statements) <= _ROWS and self.size + more.size <= limit

    def add(self, more: "_Part") -> None:
        self.statements += more.statements
        self.size += more.size

    def batch(self) -> BatchStatement:
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = True
        for statement in self.statements:
            batch.add(statement)
        return batch


def _parts(partition: Iterable[BoundStatement]) -> Iterator[_Part]:
    """What of one partition may be one mutation."""
    part = _Part()
    for statement in partition:
        one = _Part([statement], _size(statement))
        if part.statements and not part.holds(one, _PARTITION_BYTES):
            yield part
            part = _Part()
        part.add(one)
    if part.statements:
        yield part


def _size(statement: BoundStatement) -> int:
    """The bytes of what it writes, in the protocol's encoding; what is null or left unset has none."""
    return sum(_COLUMN_BYTES + (len(value) if isinstance(value, bytes) else 0) for value in statement.values)


def _nodes(session: Session, keyspace: str, statement: BoundStatement) -> frozenset[str]:
    """The nodes that keep a statement's partition."""
    replicas = session.cluster.metadata.get_replicas(keyspace, statement.routing_key)
    return frozenset(str(host.host_id) for host in replicas)
