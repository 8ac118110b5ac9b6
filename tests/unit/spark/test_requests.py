"""How statements are put into requests."""

from types import SimpleNamespace
from typing import Any

from cassandra.query import SimpleStatement
from hypothesis import given
from hypothesis import strategies as st

from citypulse.spark.tables import requests

ACROSS = 50 << 10
"""What Cassandra refuses of several partitions."""


class Nodes:
    """Stands for a session: a partition's first byte says who keeps it."""

    def __init__(self) -> None:
        self.cluster = SimpleNamespace(metadata=self)

    def get_replicas(self, keyspace: str, key: bytes) -> list[Any]:
        return [SimpleNamespace(host_id=key[0] % 3), SimpleNamespace(host_id=3)]


class Statement(SimpleStatement):  # type: ignore[misc] - the driver has no types
    """One that is bound."""

    def __init__(self, partition: int, row: int, blob: int = 0) -> None:
        super().__init__(f"{partition} {row}", routing_key=bytes([partition]))
        self.values = [b"12345678", None, bytes(blob)]


@given(st.lists(st.lists(st.integers(0, 32 << 10), max_size=150), max_size=12))
def test_every_statement_once_in_requests_that_cassandra_takes(partitions: list[list[int]]) -> None:
    made = [
        [Statement(number, row, blob) for row, blob in enumerate(blobs)]
        for number, blobs in enumerate(partitions)
    ]
    sent: list[Statement] = []
    for batch in requests(Nodes(), "keyspace", made):
        statements = _of(batch, made)
        keys = {one.routing_key for one in statements}
        sent += statements
        assert 0 < len(statements) <= 100
        assert batch.is_idempotent
        if len(keys) > 1:
            assert sum(len(one.values[2] or b"") for one in statements) < ACROSS
            assert len({key[0] % 3 for key in keys}) == 1
    assert sorted(map(id, sent)) == sorted(id(one) for some in made for one in some)


def test_a_small_partition_is_one_mutation_and_small_ones_travel_together() -> None:
    made = [[Statement(3 * number, row) for row in range(40)] for number in range(5)]
    sizes = [len(_of(batch, made)) for batch in requests(Nodes(), "keyspace", made)]
    assert sorted(sizes) == [40, 80, 80]


def _of(batch: Any, made: list[list[Statement]]) -> list[Statement]:
    by_text = {one.query_string: one for some in made for one in some}
    return [by_text[text] for _, text, _ in batch._statements_and_parameters]
