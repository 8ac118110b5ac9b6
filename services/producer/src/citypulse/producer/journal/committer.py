"""Groups what the stream reads into appends, so that many records share one fdatasync."""

import threading
import time
from collections.abc import Callable

from citypulse.producer import metrics
from citypulse.producer.journal.writer import Writer

MAX_PENDING_BYTES = 8 << 20
"""What may wait in memory for the disk; beyond it the stream is not read, and X buffers."""


class Committer:
    """Hands lines from the stream's thread to the journal, and tells the sender what is safe on disk."""

    def __init__(self, writer: Writer, group_records: int, group_seconds: float, max_bytes: int) -> None:
        """Commit after so many records, or so long after the first of them, whichever comes first.

        Args:
            writer: the journal; used by `run` alone from now on.
            group_records: size of a group; more share a commit where they came while the disk was busy.
            group_seconds: what a record waits at most for company.
            max_bytes: size of the journal at which nothing more is taken until the sender has made room.
        """
        self._writer = writer
        self._group_records = group_records
        self._group_seconds = group_seconds
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._pending: list[tuple[int, bytes]] = []
        self._group: list[tuple[int, bytes]] = []
        self._pending_bytes = 0
        self._pending_since = 0.0
        self._closing = False
        self._prune: tuple[int, float] | None = None
        self.durable = writer.next_sequence
        """The sequence before which every record is on disk."""

    def put(self, at: int, payloads: list[bytes], stopping: Callable[[], bool]) -> None:
        """Hand over payloads; waits while too much waits for the disk.

        Args:
            at: when they were read, in ms since the epoch.
            payloads: in the order in which X sent them.
            stopping: once true, waiting ends and the payloads are handed over all the same.
        """
        with self._changed:
            while self._pending_bytes > MAX_PENDING_BYTES and not stopping():
                self._changed.wait(0.1)
            if not self._pending:
                self._pending_since = time.monotonic()
            before = len(self._pending)
            self._pending.extend([(at, payload) for payload in payloads])
            self._pending_bytes += sum(map(len, payloads))
            if not before or before < self._group_records <= len(self._pending):
                self._changed.notify_all()

    @property
    def unjournaled(self) -> int:
        """How many payloads were handed over and are not on disk."""
        with self._changed:
            return len(self._pending) + len(self._group)

    @property
    def fill(self) -> float:
        """The share of its largest size that the journal has."""
        return self._writer.size / self._max_bytes

    def wait_beyond(self, sequence: int, seconds: float) -> None:
        """Return once a record from this sequence on is on disk, or when the time is over."""
        with self._changed:
            if self.durable <= sequence:
                self._changed.wait(seconds)

    def prune(self, before: int, keep_seconds: float) -> None:
        """Have segments deleted that Kafka has acknowledged, as `Writer.prune` says; done by `run`."""
        with self._changed:
            self._prune = (before, keep_seconds)

    def close(self) -> None:
        """Have `run` commit what is pending and return."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def run(self) -> None:
        """Commit groups until closed.

        Raises:
            OSError: the disk refuses; what was pending is not accepted.
        """
        while group := self._next_group():
            self._writer.append(group)
            with self._changed:
                self._group = []
                self.durable = self._writer.next_sequence
                self._changed.notify_all()
            metrics.accepted.inc(len(group))
            metrics.commits.inc()
            self._prune_now()

    def _next_group(self) -> list[tuple[int, bytes]]:
        with self._changed:
            while not self._closing and (not self._group_is_due() or self._is_full()):
                wait = 0.5
                if self._pending and not self._is_full():
                    wait = self._pending_since + self._group_seconds - time.monotonic()
                self._changed.wait(max(wait, 0.001))
                self._prune_now()
            group, self._pending = self._pending, []
            self._group = group
            self._pending_bytes = 0
            self._changed.notify_all()
            return group

    def _group_is_due(self) -> bool:
        return bool(self._pending) and (
            len(self._pending) >= self._group_records
            or time.monotonic() - self._pending_since >= self._group_seconds
        )

    def _is_full(self) -> bool:
        return self._writer.size >= self._max_bytes

    def _prune_now(self) -> None:
        prune, self._prune = self._prune, None
        if prune:
            self._writer.prune(*prune, self._max_bytes)
