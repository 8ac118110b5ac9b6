"""How far the journal may forget: the cursor on disk, behind what Kafka safely has.

With durability `strict` that is what is acknowledged; with `available`, what all replicas have as well. A
journal that is nearly full lets go of the difference: what X sends next matters more than a second copy.
"""

import time
from pathlib import Path

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.committer import Committer
from citypulse.producer.send.replicas import Replicas

log = structlog.get_logger()

STORE_SECONDS = 0.5
"""How often the cursor is written."""
NEARLY_FULL = 0.8
"""Of the journal's size: from there on it no longer keeps single copies."""


class Kept:
    """The cursor of one journal. For the sender's thread; others may look at `safe`."""

    def __init__(self, config: Config, committer: Committer) -> None:
        self._directory = Path(config.journal.dir)
        self._strict = config.kafka.durability == "strict"
        self._keep_seconds = config.journal.keep_hours * 3600
        self._committer = committer
        self._stored_at = 0.0
        self.stored = cursor.load(self._directory) or segment.first_sequence(self._directory)
        """The sequence that is on disk: sending begins there after a kill."""

    def safe(self, acknowledged: int, replicas: Replicas) -> int:
        """The sequence before which no record is needed in the journal any more.

        Args:
            acknowledged: the sequence before which Kafka has acknowledged every record.
            replicas: know how far all replicas have them.
        """
        return acknowledged if self._strict else min(acknowledged, replicas.replicated)

    def keep_up(self, acknowledged: int, replicas: Replicas) -> None:
        """Write the cursor, and have segments behind it deleted, where it is time to."""
        if time.monotonic() - self._stored_at > STORE_SECONDS:
            self.store(acknowledged, replicas)

    def store(self, acknowledged: int, replicas: Replicas) -> None:
        """Do so now."""
        self._stored_at = time.monotonic()
        safe = self.safe(acknowledged, replicas)
        if acknowledged > safe and self._committer.fill > NEARLY_FULL:
            copies = acknowledged - safe
            log.warning("sender: the journal is nearly full and lets go of single copies", records=copies)
            metrics.released.inc(copies)
            replicas.replicated = safe = acknowledged
        # On a full disk it is not written: a cursor that stays behind costs copies, never a loss.
        if safe > self.stored and cursor.store(self._directory, safe):
            self.stored = safe
        self._committer.prune(self.stored, self._keep_seconds)
