"""What cities are called, read from the compacted topic of places: the name that came first stays."""

import msgspec
from kafka import TopicPartition

from citypulse import places
from citypulse.spark import kept, topics
from citypulse.spark.config import Config
from citypulse.spark.verify import topic
from citypulse.spark.verify.tally import City


def read(config: Config) -> dict[str, City]:
    """Names by city id.

    Raises:
        KafkaError, OSError: the brokers do not answer.
    """
    names: dict[str, City] = {}
    consumer = topics.consumer(config.kafka, "citypulse-spark-verify-names")
    try:
        some: list[TopicPartition] = kept.partitions(consumer, [config.places_topic])
        start, end = kept.beginnings(consumer, some), kept.ends(consumer, some)
        for _, records in topic.read(consumer, start, end):
            for record in records:
                try:
                    place = places.decode(record.value or b"")
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                names.setdefault(place.city, City(place.full_name, place.lat, place.lon))
    finally:
        consumer.close()
    return names
