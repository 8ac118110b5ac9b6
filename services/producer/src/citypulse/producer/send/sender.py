"""Sends what is journaled to Kafka, in order, and moves the cursor behind what Kafka safely has.

The journal is the only queue: backlog and live leave through the same door. What is in flight is bounded
here, for the client bounds nothing. Whenever the client gives up a record, for whatever reason, or hangs,
everything unacknowledged is sent again from the journal through a new client: copies are harmless, a hole is
not.

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
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.message import Parse, Parsed, UnusableError
from citypulse.producer.retweets.credit import credited
from citypulse.producer.retweets.tail import Recalled
from citypulse.producer.send import brokers
from citypulse.producer.send.circuit import Circuit, Signals
from citypulse.producer.send.cities import Cities
from citypulse.producer.send.in_flight import REFUSED, GivenUpError, InFlight, RefusedBatchError
from citypulse.producer.send.kept import Kept
from citypulse.producer.send.notices import Book, Notices
from citypulse.producer.send.pace import Pace
from citypulse.producer.send.replicas import Replicas

log = structlog.get_logger()

BATCH_RECORDS = 500
BATCH_BYTES = 2 << 20
_OBSERVE_SECONDS = 0.25
_REPEAT_SECONDS = 1.0
_WAIT_SECONDS = 0.1
_REMIND_SECONDS = 30.0


class _StoppedError(Exception):
    """The time to drain is over."""


class Sender:
    """The way from journal to Kafka. One thread runs it; others may look at its numbers."""

    def __init__(
        self,
        config: Config,
        parse: Parse,
        committer: Committer,
        book: Book,
        resolver: places.Resolver,
        recalled: Recalled | None = None,
    ) -> None:
        self._recalled = recalled
        self._originals = recalled.originals if recalled else None
        self._topic_of_unknown = config.topic(config.feeds[0].topic)
        self._config = config
        self._parse = parse
        self._committer = committer
        self._directory = Path(config.journal.dir)
        self._set_aside = SetAside(self._directory)
        self._client_id = f"citypulse-producer-{config.name}"
        self._cities = Cities(config, resolver)
        self._notices = Notices(book, config.run)
        self._pace = Pace(config.kafka.drain_records_per_second)
        self._kept = Kept(config, committer)
        self._handled = self._kept.stored
        self._alone_before = 0
        self._unsent_at = 0
        self._errors = self._acknowledgements = 0
        self._observed = 0.0
        self._reminded = 0.0
        self._deadline: float | None = None
        self.in_flight = InFlight(config.kafka)
        self.circuit = Circuit(config.circuit)
        self.replicas = Replicas(config, self._topics(config), lambda: self.acknowledged)
        self.connected = False
        """Whether brokers have answered since the client was made."""

    @property
    def acknowledged(self) -> int:
        """The sequence before which every record is in Kafka, or set aside."""
        oldest = self.in_flight.sequence
        return self._handled if oldest is None else oldest

    @property
    def safe(self) -> int:
        """The sequence before which no record is needed in the journal any more."""
        return self._kept.safe(self.acknowledged, self.replicas)

    @property
    def oldest_at(self) -> int | None:
        """When the oldest record was received that Kafka has not acknowledged: ms since the epoch."""
        return self.in_flight.received_at or self._unsent_at or None

    def watch(self, config: Config) -> None:
        """Look at the topics of a changed configuration as well; the journal may still need the others."""
        self.replicas.topics |= self._topics(config)

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
                    self._begin_again(error)
                else:
                    return
                finally:
                    reader.close()
                    brokers.discard(client)
        except _StoppedError:
            log.info("sender: stopped", left_in_journal=self._committer.durable - self.acknowledged)
        finally:
            self._kept.store(self.acknowledged, self.replicas)

    def _topics(self, config: Config) -> frozenset[str]:
        feeds = {config.topic(feed.topic) for feed in config.feeds}
        return frozenset(feeds | {self._cities.topic, self._notices.topic})

    def _learn_cities(self) -> None:
        """Read the topic of places, as soon as brokers answer."""
        while True:
            self._check_time()
            self._observe()
            try:
                self._cities.learn(self._time_is_over)
                if self._recalled:
                    self._recalled.recall(self._time_is_over)
                break
            except KafkaError as error:
                self._failed(type(error).__name__)
                self._remind(
                    f"no broker answers, or the topic {self._cities.topic} does not exist"
                    f" ({type(error).__name__})"
                )
                self._peek()
                self._pause(_REPEAT_SECONDS)
        self.connected = True
        log.info("sender: brokers answer", cities=len(self._cities))

    def _pump(self, client: KafkaProducer, reader: Reader) -> None:
        while True:
            self._tick()
            if self.circuit.state in ("closed", "slowed"):
                self._notices.publish(lambda topic, value, key: self._hand_over(client, topic, value, key))
            draining = self._deadline is not None
            allowed = self._pace.allowed(time.monotonic(), BATCH_RECORDS)
            records = reader.read(self._committer.durable, allowed, BATCH_BYTES) if allowed else []
            if records:
                self._pace.took(len(records))
                self._send(client, records)
                self._handled = reader.sequence
                self._unsent_at = 0
            elif self.in_flight or self._notices.waiting or not allowed:
                self._committer.wait_beyond(reader.sequence, 0.02)
            elif draining:
                return
            else:
                self._handled = reader.sequence
                self._committer.wait_beyond(reader.sequence, _OBSERVE_SECONDS)

    def _send(self, client: KafkaProducer, records: list[Record]) -> None:
        if not self.in_flight:
            self._unsent_at = records[0].at
        parsed = [(record, found) for record in records if (found := self._parsed(record))]
        self._cities.publish(
            [found for _, found in parsed],
            lambda topic, value, key: self._hand_over(client, topic, value, key),
            self._tick,
        )
        in_flight = self.in_flight
        now = time.monotonic()
        sent = 0
        behind_alone = self._alone_in_flight()
        for record, found in parsed:
            self._handled = record.sequence
            alone = record.sequence < self._alone_before
            for topic, event in found.deliveries:
                # Also the first behind those sent alone waits: it would join the last one's batch.
                if alone or behind_alone or in_flight.is_full():
                    self._wait_for_room(alone or behind_alone)
                    now = time.monotonic()
                value = events.encode(event)
                try:
                    future = self._hand_over(client, topic, value, events.key(event))
                except REFUSED as error:
                    self._refused(record.sequence, error)
                    continue
                in_flight.add(future, record.sequence, len(value), record.at, now)
                behind_alone = alone
                sent += 1
        metrics.sent.inc(sent)

    def _parsed(self, record: Record) -> Parsed | None:
        try:
            found = self._parse(record.payload, record.at, record.sequence)
        except UnusableError as error:
            log.warning("sender: a message is set aside", sequence=record.sequence, reason=str(error))
            metrics.set_aside.labels(error.kind).inc()
            self._set_aside.record(record, str(error))
            return None
        found = credited(found, self._originals, self._topic_of_unknown)
        if not found.deliveries:
            metrics.foreign.inc()
            return None
        if found.doubt:
            metrics.set_aside.labels(found.doubt).inc()
            self._set_aside.record(record, found.doubt)
        if found.unresolved:
            metrics.unresolved_places.labels(found.unresolved).inc()
        return found

    def _hand_over(self, client: KafkaProducer, topic: str, value: bytes, key: bytes) -> FutureRecordMetadata:
        while True:
            try:
                return client.send(topic, value, key)
            except KafkaTimeoutError:
                self._failed("no metadata")
                self._remind(f"no broker answers, or the topic {topic} does not exist")
                self._tick()
            except REFUSED:
                raise
            except KafkaError as error:
                raise GivenUpError(type(error).__name__) from error

    def _alone_in_flight(self) -> bool:
        sequence = self.in_flight.sequence
        return sequence is not None and sequence < self._alone_before

    def _wait_for_room(self, alone: bool) -> None:
        while not self.in_flight.has_room() or (alone and self.in_flight):
            self.in_flight.wait(_WAIT_SECONDS)
            self._tick()

    def _tick(self, handed: float | None = None) -> None:
        """What is due whatever the sender waits for.

        Args:
            handed: when what is waited for was handed over, where that is not in flight.
        """
        in_flight = self.in_flight
        reaped = in_flight.reap(self._alone_in_flight(), self._refused)
        metrics.acknowledged.inc(reaped)
        self._acknowledgements += reaped
        self._kept.keep_up(self.acknowledged, self.replicas)
        self._check_time()
        self._observe()
        waited = time.monotonic() - handed if handed is not None else in_flight.oldest_seconds()
        if waited > self._config.kafka.watchdog_seconds:
            raise GivenUpError("watchdog")
        if self.replicas.lost_leader and self._config.kafka.durability == "available":
            raise GivenUpError("leader changed")

    def _observe(self) -> None:
        now = time.monotonic()
        if now - self._observed < _OBSERVE_SECONDS:
            return
        self._observed = now
        in_flight, kafka, circuit = self.in_flight, self._config.kafka, self.circuit
        view = self.replicas.view
        circuit.observe(
            Signals(
                now=now,
                in_flight=in_flight.fill(),
                journaled=self._committer.durable,
                acknowledged=self.acknowledged,
                acknowledgements=self._acknowledgements,
                errors=self._errors,
                unacknowledged_seconds=in_flight.oldest_seconds(),
                blocked=view.wrong or view.blocked,
                anything_in_flight=bool(in_flight),
            )
        )
        in_flight.most = int(kafka.in_flight_records * circuit.share())
        if circuit.probing:
            in_flight.most = min(self._config.circuit.probe_records, kafka.in_flight_records)

    def _refused(self, sequence: int, error: KafkaError) -> None:
        reader = Reader(self._directory, sequence, self._corrupt)
        records = reader.read(sequence + 1, 1, 1)
        reader.close()
        reason = f"Kafka refuses it: {type(error).__name__}"
        log.error("sender: a message is set aside", sequence=sequence, reason=reason)
        metrics.set_aside.labels("refused").inc()
        for record in records:
            self._set_aside.dead_letter(record, reason)

    def _begin_again(self, cause: GivenUpError) -> None:
        log.warning("sender: sends again from the journal", cause=str(cause), records=len(self.in_flight))
        metrics.resends.labels(str(cause)).inc()
        self._failed(str(cause))
        if isinstance(cause, RefusedBatchError):
            self._alone_before = self._handled + 1
        if self.replicas.lost_leader:
            self._handled, self._unsent_at = max(self.safe, self._kept.stored), 0
            self.replicas.lost_leader = False
        else:
            self._handled, self._unsent_at = self.acknowledged, self.oldest_at or 0
        self.connected = False
        self.in_flight.clear()
        self._notices.forget()
        self._pause(_REPEAT_SECONDS)

    def _failed(self, cause: str) -> None:
        self._errors += 1
        metrics.send_errors.labels(cause).inc()

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
