"""What was handed to the Kafka client and is not acknowledged:

counted and bounded here, for the client bounds nothing.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kafka.errors import InvalidRecordError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from kafka.producer.future import FutureRecordMetadata

from citypulse.producer.config import Kafka

REFUSED = (InvalidRecordError, MessageSizeTooLargeError, RecordListTooLargeError)
"""What Kafka says about a record that it will never take."""


class GivenUpError(Exception):
    """The client has given up a record, or hangs; the text is the cause."""


class RefusedBatchError(GivenUpError):
    """Kafka refuses a batch for good; which record is to blame shows only when each is sent alone."""


class _Sent(NamedTuple):
    future: FutureRecordMetadata
    sequence: int
    size: int
    at: int
    handed: float


class InFlight:
    """A queue in the journal's order. One thread changes it; others may look at its numbers."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._queue: deque[_Sent] = deque()
        self.bytes = 0
        self.most = kafka.in_flight_records
        """How many records may be in flight now; never more than the configuration says."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def sequence(self) -> int | None:
        """The journal's sequence of the oldest record, None where nothing is in flight."""
        oldest = self._oldest()
        return oldest.sequence if oldest else None

    @property
    def received_at(self) -> int | None:
        """When the oldest record's message was received: ms since the epoch."""
        oldest = self._oldest()
        return oldest.at if oldest else None

    def oldest_seconds(self) -> float:
        """How long ago the oldest record was handed to the client; 0 where nothing is in flight."""
        oldest = self._oldest()
        return time.monotonic() - oldest.handed if oldest else 0.0

    def fill(self) -> float:
        """The share of what the configuration allows that is taken, by records or by bytes."""
        kafka = self._kafka
        return max(len(self._queue) / kafka.in_flight_records, self.bytes / kafka.in_flight_bytes)

    def is_full(self) -> bool:
        """Whether nothing more may be handed over."""
        return len(self._queue) >= self.most or self.bytes >= self._kafka.in_flight_bytes

    def has_room(self) -> bool:
        """Whether a quarter is free:

        who has waited for room goes on only then, not with every single record.
        """
        most = self.most
        return (
            len(self._queue) <= most * 3 // 4
            and most > 0
            and self.bytes <= self._kafka.in_flight_bytes * 3 // 4
        )

    def add(self, future: FutureRecordMetadata, sequence: int, size: int, at: int, handed: float) -> None:
        """A record was handed over.

        Args:
            future: what the client gave for it.
            sequence: of its message in the journal.
            size: bytes of its value.
            at: when its message was received, ms since the epoch.
            handed: now, monotonic seconds.
        """
        self._queue.append(_Sent(future, sequence, size, at, handed))
        self.bytes += size

    def wait(self, seconds: float) -> None:
        """Return when the oldest record is acknowledged or has failed, or when the time is over."""
        if self._queue:
            wait(self._queue[0].future, seconds)
        else:
            time.sleep(seconds)

    def reap(self, alone: bool, on_refused: Callable[[int, KafkaError], None]) -> int:
        """Take out what is acknowledged, oldest first, up to the first record that is not.

        Args:
            alone: whether each record was sent by itself, so that a refusal is about that record.
            on_refused: called with sequence and reason of a record that Kafka will never take.

        Returns:
            How many records were acknowledged.

        Raises:
            GivenUpError: the oldest record has failed; it stays in the queue.
            RefusedBatchError: it was refused together with others.
        """
        queue = self._queue
        acknowledged = 0
        while queue and queue[0].future.is_done:
            error = queue[0].future.exception
            if error is None:
                acknowledged += 1
            elif acknowledged:
                # The next call meets it: those before it are counted first.
                break
            elif isinstance(error, REFUSED) and alone:
                on_refused(queue[0].sequence, error)
            elif isinstance(error, REFUSED) or type(error) is KafkaError:
                # The library says plain KafkaError of a record whose batch held an invalid one.
                raise RefusedBatchError(type(error).__name__)
            else:
                raise GivenUpError(type(error).__name__)
            self.bytes -= queue.popleft().size
        return acknowledged

    def clear(self) -> None:
        """Forget everything: it will be sent again."""
        self._queue.clear()
        self.bytes = 0

    def _oldest(self) -> _Sent | None:
        try:
            return self._queue[0]
        except IndexError:
            return None


def wait(future: FutureRecordMetadata, seconds: float) -> None:
    """Return when a record is acknowledged or has failed, or when the time is over."""
    try:
        future.get(timeout=seconds)
    except KafkaError:
        # Not yet, or it has failed: whoever waits looks at the future.
        return
