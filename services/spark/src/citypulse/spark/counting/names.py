"""What cities are called: read from the compacted topic of places, and put right in rows that were written
too early.

A producer has a place acknowledged before it sends the first event of it, so a batch that reads the topic to
its end first knows every name it needs. Should one come late all the same, the rows are written without it,
and the city stays in `cities` with no name: that is the list of what is to be repaired, and it survives the
job.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

import threading
from typing import Any, NamedTuple

import msgspec
import structlog
from cassandra.cluster import Session
from kafka import TopicPartition

from citypulse import places
from citypulse.spark import topics
from citypulse.spark.config import Config
from citypulse.spark.tables import execute_all

_log = structlog.get_logger()


class Name(NamedTuple):
    """How a city is shown, and where it is."""

    full_name: str
    lat: float | None
    lon: float | None


class Names:
    """The names that are known; not to be used by two threads at once."""

    def __init__(self, config: Config) -> None:
        self.known: dict[str, Name] = {}
        self._topic = config.places_topic
        self._consumer = topics.consumer(config.kafka, "citypulse-spark-names")
        self._assigned: list[TopicPartition] = []

    def refresh(self) -> bool:
        """Read the topic to its present end; says whether anything was learned."""
        if not self._assigned:
            partitions = self._consumer.partitions_for_topic(self._topic) or ()
            self._assigned = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
            if not self._assigned:
                return False
            self._consumer.assign(self._assigned)
            self._consumer.seek_to_beginning(*self._assigned)
        learned = False
        for record in topics.read_to_end(self._consumer, self._assigned):
            learned = self._learn(record.key, record.value) or learned
        return learned

    def _learn(self, key: bytes | None, value: bytes | None) -> bool:
        try:
            place = places.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.warning(
                "a place cannot be read", key=(key or b"").decode(errors="replace"), reason=str(error)
            )
            return False
        if place.city in self.known:
            return False
        self.known[place.city] = Name(place.full_name, place.lat, place.lon)
        return True

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


class Repairs:
    """Cities that were written without their name. Safe to use from several threads."""

    def __init__(self, session: Session, keyspace: str) -> None:
        self._session, self._keyspace = session, keyspace
        self._lock = threading.Lock()
        cities = session.execute(f"SELECT country, city_id, name FROM {keyspace}.cities")
        self._unnamed = {(city.country, city.city_id) for city in cities if city.name is None}

    @property
    def open(self) -> int:
        """How many cities have no name yet."""
        return len(self._unnamed)

    def add(self, unnamed: list[tuple[str, str]]) -> None:
        """Remember cities that were just written without a name."""
        with self._lock:
            self._unnamed.update(unnamed)

    def work(self, known: dict[str, Name]) -> int:
        """Name the rows of cities whose name is known by now; returns how many cities."""
        with self._lock:
            todo = [(country, city) for country, city in self._unnamed if city in known]
            if not todo:
                return 0
            feeds = self._feeds()
            for country, city in todo:
                self._name(feeds, country, city, known[city])
                self._unnamed.discard((country, city))
        _log.info("named cities that were written before their name was known", cities=len(todo))
        return len(todo)

    def _feeds(self) -> list[str]:
        rows = self._session.execute(f"SELECT DISTINCT feed, country FROM {self._keyspace}.country_windows")
        return sorted({row.feed for row in rows})

    def _name(self, feeds: list[str], country: str, city: str, name: Name) -> None:
        requests: list[tuple[Any, Any]] = []
        space = self._keyspace
        for feed in feeds:
            rows = self._session.execute(
                f"SELECT window_start, name, TTL(tweets) AS ttl FROM {space}.city_windows"
                " WHERE feed = %s AND country = %s AND city_id = %s",
                (feed, country, city),
            )
            for row in rows:
                if row.name is None:
                    # The name must not outlive the counts beside it.
                    values = (row.ttl or 0, *name, feed, country, city, row.window_start)
                    requests += [
                        (
                            f"UPDATE {space}.{table} USING TTL %s SET name = %s, lat = %s, lon = %s"
                            " WHERE feed = %s AND country = %s AND city_id = %s AND window_start = %s",
                            values,
                        )
                        for table in ("city_windows", "windows_by_country")
                    ]
        execute_all(self._session, requests, 16, 60)
        # The city last: while it has no name, what remains to be done is known.
        self._session.execute(
            f"UPDATE {space}.cities SET name = %s, lat = %s, lon = %s WHERE country = %s AND city_id = %s",
            (*name, country, city),
        )
