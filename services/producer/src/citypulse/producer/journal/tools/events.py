"""Writes out what a journal holds as the events that Kafka got, or would have got.

The first line says which time it is all of: `{"journal":1,"producer":…,"since":ms,"until":ms}`, everything
that this producer received between both. A line follows for each event: `{"topic":…,"event":…}`.
"""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from kafka.errors import KafkaError

from citypulse import places
from citypulse.events import event
from citypulse.producer import message
from citypulse.producer.config import Config
from citypulse.producer.errors import StopError
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.tools.export import Exported
from citypulse.producer.message import UnusableError
from citypulse.producer.retweets.credit import credited
from citypulse.producer.retweets.originals import Originals
from citypulse.producer.routes import Routes
from citypulse.producer.send import cities
from citypulse.producer.stream import rules

_RECORDS = 1000
_BYTES = 8 << 20


class Head(msgspec.Struct):
    """The first line; times in ms since the epoch."""

    journal: int
    producer: str
    since: int
    until: int


class Line(msgspec.Struct):
    """An event, and the topic that it belongs to, with the run's prefix."""

    topic: str
    event: msgspec.Raw


def known(config: Config) -> list[places.Place]:
    """The cities that the run knows.

    Raises:
        StopError: the brokers do not answer. Without those cities, places would be resolved otherwise than
            when the messages were sent.
    """
    try:
        topic = places.topic_name(config.run)
        return cities.stored(config.kafka, topic, f"citypulse-producer-{config.name}-export", lambda: False)
    except (KafkaError, OSError) as error:
        raise StopError(
            f"kafka.bootstrap_servers: the topic of places cannot be read ({error}): start the brokers,"
            " which say what cities are known"
        ) from error


def lines(
    config: Config,
    directory: Path,
    times: tuple[int, int],
    learned: Iterable[places.Place],
    exported: Exported,
) -> Iterator[bytes]:
    """The events of a journal, in its order; works beside its writer.

    A message is understood as the sender understands it; what can't be is passed over, and counted as such. A
    retweet of a post that came before the journal begins counts nowhere: its original is not known any more.

    Args:
        config: of the producer that wrote the journal.
        directory: the journal's.
        times: of when they were received, from the first on and before the second, in ms since the epoch.
        learned: the cities that the run knows; each helps with messages after the one that taught it.
        exported: is told what was given.
    """

    def corrupt(_name: str, _offset: int, data: bytes, _reason: str) -> None:
        exported.unsound += bool(data)

    now = time.time_ns() // 1_000_000
    resolver = places.Resolver(places.geonames(), latin_names=config.places.latin_names)
    resolver.learn(learned)
    parse = message.parser(config, rules.configured(config), Routes(directory) or None, resolver)
    originals = Originals(config.retweets.known) if config.retweets.enabled else None
    of_nobody = config.topic(config.feeds[0].topic)
    reader = Reader(directory, 0, corrupt)
    try:
        records = reader.read(None, _RECORDS, _BYTES)
        # Nothing is missing before the very first record that was ever written.
        pruned = not records or records[0].sequence > 1
        oldest = records[0].at if records else now
        since = max(times[0], oldest) if pruned else times[0]
        yield msgspec.json.encode(Head(1, config.name, since, min(times[1], now))) + b"\n"
        while records:
            for record in records:
                # All of them: an earlier one may say where a later retweet counts.
                if record.at >= times[1]:
                    continue
                inside = record.at >= times[0]
                try:
                    found = parse(record.payload, record.at, record.sequence)
                except UnusableError:
                    exported.unusable += inside
                    continue
                deliveries = credited(found, originals, of_nobody).deliveries
                for delivery in deliveries if inside else ():
                    exported.lines += 1
                    value = msgspec.Raw(event.encode(delivery.event))
                    yield msgspec.json.encode(Line(delivery.topic, value)) + b"\n"
            records = reader.read(None, _RECORDS, _BYTES)
    finally:
        reader.close()
