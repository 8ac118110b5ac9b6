"""Which cities the topic of places holds: what is in it already is not published again, and helps to resolve
what comes.
"""

import msgspec
import structlog
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse import places
from citypulse.producer.config import Config, Kafka
from citypulse.producer.message import Parsed
from citypulse.producer.send import brokers

log = structlog.get_logger()


class Cities:
    """The cities that every reader of the topic knows."""

    def __init__(self, config: Config, resolver: places.Resolver) -> None:
        """Know none yet.

        Args:
            config: run and brokers.
            resolver: learns what the topic holds; the one that messages are parsed with.
        """
        self.topic = places.topic_name(config.run)
        self._kafka = config.kafka
        self._client_id = f"citypulse-producer-{config.name}"
        self._resolver = resolver
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, stopping: brokers.Stopping) -> None:
        """Read the topic to its end.

        Raises:
            KafkaError: the brokers do not answer, or reading was stopped.
        """
        found = stored(self._kafka, self.topic, self._client_id, stopping)
        self._known = {place.city for place in found}
        self._resolver.learn(found)

    def unknown(self, parsed: list[Parsed]) -> dict[str, places.Place]:
        """The cities of these messages that are not in the topic, each as it was met first."""
        new: dict[str, places.Place] = {}
        for found in parsed:
            if found.city is not None and found.city.city not in self._known:
                new.setdefault(found.city.city, found.city)
        return new

    def published(self, cities: dict[str, places.Place]) -> None:
        """These are in the topic now."""
        self._known.update(cities)


def stored(kafka: Kafka, topic: str, client_id: str, stopping: brokers.Stopping) -> list[places.Place]:
    """What the topic of places holds, in its order.

    Raises:
        KafkaError: the brokers do not answer, or reading was stopped.
    """
    found: list[places.Place] = []

    def take(record: ConsumerRecord) -> None:
        if record.value is None:
            return
        try:
            found.append(places.decode(record.value))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # It is published again with the next post from there.
            log.warning("places: a record cannot be read", offset=record.offset, reason=str(error))

    client = brokers.consumer(kafka, client_id)
    try:
        if not brokers.read_topic(client, topic, take, stopping):
            raise KafkaError(f"{topic} was not read to its end")
    finally:
        client.close()
    return found
