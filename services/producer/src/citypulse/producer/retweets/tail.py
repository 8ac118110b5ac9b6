"""A start knows the located posts that earlier runs knew: their events, and those of their retweets, say all.

The topics are read from some hours back, before anything is sent, so that a retweet that waits in the journal
is credited as it would have been before. Without brokers nothing is sent, and nothing need be known.
"""

import contextlib
import threading
import time
from collections.abc import Callable

import msgspec
import structlog
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse.events import event as events
from citypulse.events.event import Event
from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.retweets.originals import Originals, retweeted
from citypulse.producer.send import brokers

log = structlog.get_logger()

RECORDS_PER_POST = 2
"""Records that are read for each post that may be known, at most: some of them are retweets and copies."""


class Recalled:
    """The posts that are known, and whether earlier runs' are among them."""

    def __init__(
        self, config: Config, sent: Callable[[str, Event], None] = lambda _topic, _event: None
    ) -> None:
        """Know none yet.

        Args:
            config: of the producer.
            sent: told of each event of this producer that is found.
        """
        self._config = config
        self._sent = sent
        self.originals = Originals(config.retweets.known)
        self.done = threading.Event()
        """Set once the topics were read."""
        metrics.originals_known.set_function(lambda: len(self.originals))

    def recall(self, stopping: brokers.Stopping) -> None:
        """Read the topics once; nothing happens at the next call.

        Raises:
            KafkaError: the brokers do not answer, or reading was stopped.
        """
        if self.done.is_set():
            return
        config = self._config
        began = time.monotonic()
        for topic in sorted({config.topic(feed.topic) for feed in config.feeds}):
            read(config, topic, self._take, stopping)
        self.done.set()
        log.info(
            "retweets: the topics' tails are read",
            known=len(self.originals),
            seconds=round(time.monotonic() - began, 1),
        )

    def _take(self, topic: str, event: Event) -> None:
        if event.source != self._config.name:
            return
        original = retweeted(event)
        self.originals.learn(event.id if original is None else original, topic, event)
        self._sent(topic, event)


def read(config: Config, topic: str, take: Callable[[str, Event], None], stopping: brokers.Stopping) -> None:
    """Read a topic's last hours. One that does not exist holds nothing.

    Args:
        config: says how many hours, and bounds the records.
        topic: its full name.
        take: called with each event; records that are none are passed.
        stopping: once true, reading ends early.

    Raises:
        KafkaError: the brokers do not answer, or reading was stopped.
    """
    since_ms = int((time.time() - config.retweets.tail_hours * 3600) * 1000)
    most = config.retweets.known * RECORDS_PER_POST

    def taken(record: ConsumerRecord) -> None:
        if record.value is None:
            return
        with contextlib.suppress(msgspec.DecodeError):
            take(topic, events.decode(record.value))

    with contextlib.closing(
        brokers.consumer(config.kafka, f"citypulse-producer-{config.name}-retweets")
    ) as client:
        numbers = client.partitions_for_topic(topic) or ()
        partitions = [TopicPartition(topic, number) for number in numbers]
        by_time = client.offsets_for_times(dict.fromkeys(partitions, since_ms)) if partitions else {}

        def since(partition: TopicPartition, start: int, end: int) -> int:
            found = by_time.get(partition)
            # Nothing was appended since then.
            at = end if found is None else found.offset
            return max(start, at, end - most // len(partitions))

        if not brokers.read_topic(client, topic, taken, stopping, since) and stopping():
            raise KafkaError(f"{topic} was not read to its end")
