"""Publishes gaps to their topic, beside the events: each as it is now, until Kafka has acknowledged it."""

from collections.abc import Callable
from typing import Protocol

from kafka.producer.future import FutureRecordMetadata

from citypulse.events import gap as gaps
from citypulse.events.gap import Gap

HandOver = Callable[[str, bytes, bytes], FutureRecordMetadata]
"""Takes topic, value and key of a record."""


class Book(Protocol):
    """What of the book of gaps is used; any thread may call it."""

    def unpublished(self) -> list[Gap]:
        """Gaps that Kafka does not have as they are, oldest first."""

    def published(self, gap: Gap) -> None:
        """Kafka has acknowledged this one, as it was given."""


class Notices:
    """Gaps on their way to Kafka."""

    def __init__(self, book: Book, run: str) -> None:
        self.topic = gaps.topic_name(run)
        self._book = book
        self._pending: dict[str, tuple[Gap, FutureRecordMetadata]] = {}

    def publish(self, hand_over: HandOver) -> None:
        """Take note of what was acknowledged, and hand over what is new. Never waits for Kafka's answer."""
        for key, (gap, future) in list(self._pending.items()):
            if future.is_done:
                del self._pending[key]
                # One that failed is handed over again, as it is by then.
                if future.exception is None:
                    self._book.published(gap)
        for gap in self._book.unpublished():
            if gap.id not in self._pending:
                self._pending[gap.id] = gap, hand_over(self.topic, gaps.encode(gap), gaps.key(gap))

    @property
    def waiting(self) -> bool:
        """Whether Kafka has not answered for some."""
        return bool(self._pending)

    def forget(self) -> None:
        """The client is gone: what was on its way is handed over again."""
        self._pending.clear()
