"""Which cities the topic of places holds: what is in it already is not published again."""

from citypulse import places
from citypulse.producer.config import Config
from citypulse.producer.message import Parsed
from citypulse.producer.send import brokers


class Cities:
    """The cities that every reader of the topic knows."""

    def __init__(self, config: Config) -> None:
        self.topic = places.topic_name(config.run)
        self._kafka = config.kafka
        self._client_id = f"citypulse-producer-{config.name}"
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, stopping: brokers.Stopping) -> None:
        """Read the topic to its end.

        Raises:
            KafkaError: the brokers do not answer, or reading was stopped.
        """
        self._known = brokers.known_cities(self._kafka, self.topic, self._client_id, stopping)

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
