"""Which cities the topic of places holds: what is in it already is not published again, and helps to resolve
what comes.
"""

import time
from collections.abc import Callable

import msgspec
import structlog
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse import places
from citypulse.producer import metrics
from citypulse.producer.config import Config, Kafka
from citypulse.producer.message import Parsed
from citypulse.producer.send import brokers
from citypulse.producer.send.in_flight import REFUSED, GivenUpError, wait
from citypulse.producer.send.notices import HandOver

log = structlog.get_logger()

_WAIT_SECONDS = 0.1


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

    def publish(self, parsed: list[Parsed], hand_over: HandOver, tick: Callable[[float], None]) -> None:
        """Have the cities of these messages in the topic before this returns, each as it was met first.

        Args:
            parsed: the messages.
            hand_over: gives a record to the client.
            tick: called with when they were handed over, monotonic seconds, while they are waited for.

        Raises:
            GivenUpError: the client has given one up.
        """
        new: dict[str, places.Place] = {}
        for found in parsed:
            if found.city is not None and found.city.city not in self._known:
                new.setdefault(found.city.city, found.city)
        if not self._are_published(list(new.values()), hand_over, tick):
            # A refusal is believed of a single record only. Its city has no name then; events come first.
            for place in new.values():
                if not self._are_published([place], hand_over, tick):
                    log.error("sender: Kafka refuses a place", place=place.id, city=place.city)
                    metrics.set_aside.labels("place_refused").inc()
        self._known.update(new)

    def _are_published(
        self, new: list[places.Place], hand_over: HandOver, tick: Callable[[float], None]
    ) -> bool:
        """Publish places; False where Kafka will never take one of them."""
        try:
            futures = [hand_over(self.topic, places.encode(place), places.key(place)) for place in new]
        except REFUSED:
            return False
        handed = time.monotonic()
        for future in futures:
            while not future.is_done:
                wait(future, _WAIT_SECONDS)
                tick(handed)
            if isinstance(future.exception, REFUSED) or type(future.exception) is KafkaError:
                return False
            if future.exception is not None:
                raise GivenUpError(f"place: {type(future.exception).__name__}")
        metrics.places_published.inc(len(new))
        return True


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
