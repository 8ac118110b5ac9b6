"""Records that count nowhere, against the table of those that the job has set aside."""

from collections.abc import Mapping

from cassandra import InvalidRequest
from cassandra.cluster import Session
from kafka import TopicPartition

from citypulse.spark.config import Config
from citypulse.spark.verify.compare import Difference

TABLE = "set_aside"

Place = tuple[str, int, int]
"""Topic, partition, offset."""
Offsets = Mapping[TopicPartition, int]


def read(session: Session, config: Config, since: Offsets, until: Offsets) -> dict[Place, str]:
    """The reason of each record that is set aside between two offsets of its partition."""
    text = (
        f"SELECT kafka_offset, reason FROM {config.keyspace}.{TABLE}"  # noqa: S608 - a name of our own
        " WHERE topic = %s AND kafka_partition = %s AND kafka_offset >= %s AND kafka_offset < %s"
    )
    found: dict[Place, str] = {}
    for one in since:
        try:
            rows = session.execute(text, (*one, since[one], until[one]))
        except InvalidRequest:
            return {}
        found.update({(*one, row.kafka_offset): row.reason for row in rows})
    return found


def compare(wanted: Mapping[Place, str], found: Mapping[Place, str], committed: Offsets) -> list[Difference]:
    """What is missing, too much, or there for another reason.

    Args:
        wanted: every record that counts nowhere, with its reason.
        found: as the table has it; it may have more of what is not committed, and less.
        committed: how far the job is.
    """
    return [
        Difference(TABLE, place, "reason", wanted.get(place), found.get(place))
        for place in sorted(wanted.keys() | found.keys())
        if wanted.get(place) != found.get(place)
        and (place in found or place[2] < committed.get(TopicPartition(*place[:2]), 0))
    ]
