"""Sends what is journaled to Kafka, in order, and moves the cursor behind what Kafka has acknowledged.

The journal is the only queue: backlog and live leave through the same door. What is in flight is bounded
here, for the client bounds nothing. Whenever the client gives up a record, for whatever reason, everything
unacknowledged is sent again from the journal through a new client: copies are harmless, a hole is not.

A city that nobody has named yet is published to the topic of places, and acknowledged, before the first event
in it.
"""

import time
from pathlib import Path

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from citypulse import places
from citypulse.events import event as events
from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.message import Parse, Parsed, UnusableError
from citypulse.producer.send import brokers
from citypulse.producer.send.in_flight import REFUSED, GivenUpError, InFlight, wait

log = structlog.get_logger()

BATCH_RECORDS = 500
BATCH_BYTES = 2 << 20
CURSOR_SECONDS = 0.5
_REPEAT_SECONDS = 1.0
_WAIT_SECONDS = 0.1
_REMIND_SECONDS = 30.0


class _StoppedError(Exception):
    """The time to drain is over."""


class Sender:
    """The way from journal to Kafka. One thread runs it; others may look at its numbers."""

    def __init__(self, config: Config, parse: Parse, committer: Committer, cities_topic: str) -> None:
        self._config = config
        self._parse = parse
        self._committer = committer
        self._cities_topic = cities_topic
        self._directory = Path(config.journal.dir)
        self._set_aside = SetAside(self._directory)
        self._client_id = f"citypulse-producer-{config.name}"
        self._cities: set[str] = set()
        self._stored = cursor.load(self._directory) or segment.first_sequence(self._directory)
        self._stored_at = 0.0
        self._handled = self._stored
        self._unsent_at = 0
        self._reminded = 0.0
        self._deadline: float | None = None
        self.in_flight = InFlight(config.kafka)
        self.connected = False
        """Whether brokers have answered since the client was made."""

    @property
    def acknowledged(self) -> int:
        """The sequence before which every record is in Kafka, or set aside."""
        oldest = self.in_flight.sequence
        return self._handled if oldest is None else oldest

    @property
    def oldest_at(self) -> int | None:
        """When the oldest record was received that Kafka has not acknowledged: ms since the epoch."""
        return self.in_flight.received_at or self._unsent_at or None

    def stop(self, seconds: float) -> None:
        """Send what the journal holds, but for no longer than this; nothing more is journaled."""
        self._deadline = time.monotonic() + seconds

    def run(self) -> None:
        """Send until stopped."""
        try:
            while True:
                self._learn_cities()
                client = brokers.producer(self._config.kafka, self._client_id)
                reader = Reader(self._directory, self.acknowledged, self._corrupt)
                try:
                    self._pump(client, reader)
                except GivenUpError as error:
                    self._begin_again(str(error))
                else:
                    return
                finally:
                    reader.close()
                    brokers.discard(client)
        except _StoppedError:
            log.info("sender: stopped", left_in_journal=self._committer.durable - self.acknowledged)
        finally:
            self._store_cursor()

    def _learn_cities(self) -> None:
        """Read the topic of places, as soon as brokers answer."""
        topic = self._cities_topic
        while True:
            self._check_time()
            try:
                known = brokers.known_cities(self._config.kafka, topic, self._client_id, self._time_is_over)
                break
            except KafkaError as error:
                self._remind(
                    f"no broker answers, or the topic {topic} does not exist ({type(error).__name__})"
                )
                self._peek()
                self._pause(_REPEAT_SECONDS)
        self._cities, self.connected = known, True
        log.info("sender: brokers answer", cities=len(known))

    def _pump(self, client: KafkaProducer, reader: Reader) -> None:
        while True:
            self._reap()
            self._check_time()
            draining = self._deadline is not None
            records = reader.read(self._committer.durable, BATCH_RECORDS, BATCH_BYTES)
            if records:
                self._send(client, records)
                self._handled = reader.sequence
                self._unsent_at = 0
            elif self.in_flight:
                self._committer.wait_beyond(reader.sequence, 0.02)
            elif draining:
                return
            else:
                self._handled = reader.sequence
                self._committer.wait_beyond(reader.sequence, CURSOR_SECONDS)

    def _send(self, client: KafkaProducer, records: list[Record]) -> None:
        if not self.in_flight:
            self._unsent_at = records[0].at
        parsed = [(record, found) for record in records if (found := self._parsed(record))]
        self._publish_cities(client, parsed)
        in_flight = self.in_flight
        now = time.monotonic()
        sent = 0
        for record, found in parsed:
            self._handled = record.sequence
            for topic, event in found.deliveries:
                if in_flight.is_full():
                    self._wait_for_room()
                    now = time.monotonic()
                value = events.encode(event)
                try:
                    future = self._hand_over(client, topic, value, events.key(event))
                except REFUSED as error:
                    self._refused(record.sequence, error)
                    continue
                in_flight.add(future, record.sequence, len(value), record.at, now)
                sent += 1
        metrics.sent.inc(sent)

    def _parsed(self, record: Record) -> Parsed | None:
        try:
            found = self._parse(record.payload, record.at)
        except UnusableError as error:
            log.warning("sender: a message is set aside", sequence=record.sequence, reason=str(error))
            metrics.set_aside.labels("malformed").inc()
            self._set_aside.record(record, str(error))
            return None
        if not found.deliveries:
            metrics.foreign.inc()
            return None
        if found.city is None:
            metrics.unresolved_places.inc(found.deliveries[0].event.place_id is not None)
        return found

    def _publish_cities(self, client: KafkaProducer, parsed: list[tuple[Record, Parsed]]) -> None:
        new: dict[str, places.Place] = {}
        for _, found in parsed:
            if found.city is not None and found.city.city not in self._cities:
                new.setdefault(found.city.city, found.city)
        futures = [
            self._hand_over(client, self._cities_topic, places.encode(place), places.key(place))
            for place in new.values()
        ]
        for future in futures:
            while not future.is_done:
                wait(future, _WAIT_SECONDS)
                self._reap()
                self._check_time()
            if future.exception is not None:
                raise GivenUpError(f"place: {type(future.exception).__name__}")
        self._cities.update(new)
        metrics.places_published.inc(len(new))

    def _hand_over(self, client: KafkaProducer, topic: str, value: bytes, key: bytes) -> FutureRecordMetadata:
        while True:
            try:
                return client.send(topic, value, key)
            except KafkaTimeoutError:
                self._remind(f"no broker answers, or the topic {topic} does not exist")
                self._reap()
                self._check_time()
            except REFUSED:
                raise
            except KafkaError as error:
                raise GivenUpError(type(error).__name__) from error

    def _wait_for_room(self) -> None:
        while not self.in_flight.has_room():
            self.in_flight.wait(_WAIT_SECONDS)
            self._reap()
            self._check_time()

    def _reap(self) -> None:
        metrics.acknowledged.inc(self.in_flight.reap(self._refused))
        if time.monotonic() - self._stored_at > CURSOR_SECONDS:
            self._store_cursor()

    def _refused(self, sequence: int, error: KafkaError) -> None:
        reader = Reader(self._directory, sequence, self._corrupt)
        records = reader.read(sequence + 1, 1, 1)
        reader.close()
        reason = f"Kafka refuses it: {type(error).__name__}"
        log.error("sender: a message is set aside", sequence=sequence, reason=reason)
        metrics.set_aside.labels("refused").inc()
        for record in records:
            self._set_aside.record(record, reason)

    def _begin_again(self, cause: str) -> None:
        log.warning("sender: sends again from the cursor", cause=cause, records=len(self.in_flight))
        metrics.resends.labels(cause).inc()
        self._handled, self._unsent_at = self.acknowledged, self.oldest_at or 0
        self.connected = False
        self.in_flight.clear()
        self._pause(_REPEAT_SECONDS)

    def _store_cursor(self) -> None:
        acknowledged = self.acknowledged
        self._stored_at = time.monotonic()
        if acknowledged != self._stored:
            cursor.store(self._directory, acknowledged)
            self._stored = acknowledged
        self._committer.prune(acknowledged, self._config.journal.keep_hours * 3600)

    def _corrupt(self, name: str, offset: int, data: bytes, reason: str) -> None:
        log.error("journal: no sound record", segment=name, offset=offset, bytes=len(data), reason=reason)
        metrics.corrupt.inc()
        self._set_aside.corrupt(name, offset, data, reason)

    def _peek(self) -> None:
        """Find the age of what waits while nothing can be sent."""
        if not self._unsent_at and self._committer.durable > self._handled:
            reader = Reader(self._directory, self._handled, lambda *_: None)
            for record in reader.read(self._committer.durable, 1, 1):
                self._unsent_at = record.at
            reader.close()

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check_time()
            time.sleep(0.05)

    def _time_is_over(self) -> bool:
        if self._deadline is None:
            return False
        return time.monotonic() > self._deadline or self.acknowledged >= self._committer.durable

    def _check_time(self) -> None:
        if self._time_is_over():
            raise _StoppedError

    def _remind(self, reason: str) -> None:
        if time.monotonic() - self._reminded > _REMIND_SECONDS:
            self._reminded = time.monotonic()
            log.warning("sender: cannot send; the journal keeps what comes", reason=reason)
