"""Writes out what a journal holds as the events that Kafka got, or would have got.

The first line says which time it is all of: `{"journal":1,"producer":…,"since":ms,"until":ms}`, everything
that this producer received between both. A line follows for each event: `{"topic":…,"event":…}`.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from citypulse.events import event
from citypulse.producer import message
from citypulse.producer.config import Config
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.tools.export import Exported
from citypulse.producer.message import UnusableError
from citypulse.producer.routes import Routes
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


def lines(config: Config, directory: Path, times: tuple[int, int], exported: Exported) -> Iterator[bytes]:
    """The events of a journal, in its order; works beside its writer.

    A message is understood as the sender understands it; what can't be is passed over, and counted as such.

    Args:
        config: of the producer that wrote the journal.
        directory: the journal's.
        times: of when they were received, from the first on and before the second, in ms since the epoch.
        exported: is told what was given.
    """

    def corrupt(_name: str, _offset: int, data: bytes, _reason: str) -> None:
        exported.unsound += bool(data)

    now = time.time_ns() // 1_000_000
    parse = message.parser(config, rules.configured(config), Routes(directory) or None)
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
                if not times[0] <= record.at < times[1]:
                    continue
                try:
                    deliveries = parse(record.payload, record.at).deliveries
                except UnusableError:
                    exported.unusable += 1
                    continue
                for delivery in deliveries:
                    exported.lines += 1
                    value = msgspec.Raw(event.encode(delivery.event))
                    yield msgspec.json.encode(Line(delivery.topic, value)) + b"\n"
            records = reader.read(None, _RECORDS, _BYTES)
    finally:
        reader.close()
