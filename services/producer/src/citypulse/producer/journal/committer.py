"""Groups what the stream reads into appends, so that many records share one fdatasync.

A journal is full when it has its largest size, or when the disk has no room. Then, as configured, `block`:
the stream is not read, so that X's buffer and its backfill keep what comes; or `drop_newest`: it is read, and
what comes is counted and dropped. Either way the sender goes on, segments that Kafka has are deleted, and
appending goes on by itself once there is room.
"""

import threading
import time
from collections.abc import Callable
from typing import Literal

import structlog

from citypulse.producer import metrics
from citypulse.producer.journal import files
from citypulse.producer.journal.dropped import Dropped, OnDropped
from citypulse.producer.journal.upkeep import Upkeep
from citypulse.producer.journal.writer import Writer

MAX_PENDING_BYTES = 8 << 20
"""What may wait in memory for the disk; beyond it the stream is not read, and X buffers."""

_LOW_WATER = 0.95
"""Of the largest size: a journal that had it takes nothing until it is smaller than this."""
_TURN_SECONDS = 0.5

WhenFull = Literal["block", "drop_newest"]
_Group = list[tuple[int, bytes]]

log = structlog.get_logger()


class Committer:
    """Hands lines from the stream's thread to the journal, and tells the sender what is safe on disk."""

    def __init__(
        self,
        writer: Writer,
        group_records: int,
        group_seconds: float,
        max_bytes: int,
        when_full: WhenFull = "block",
        reserve_bytes: int = 0,
        set_aside_seconds: float = 7 * 86400.0,
        on_dropped: OnDropped | None = None,
        heard: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Commit after so many records, or so long after the first of them, whichever comes first.

        Args:
            writer: the journal; used by `run` alone from now on.
            group_records: size of a group; more share a commit where they came while the disk was busy.
            group_seconds: what a record waits at most for company.
            max_bytes: size of the journal at which nothing more is taken until the sender has made room.
            when_full: what becomes of what comes meanwhile.
            reserve_bytes: room that is kept for a clean stop on a full disk.
            set_aside_seconds: how long what was set aside is kept.
            on_dropped: told by `run` of each span in which messages were dropped; see `dropped`.
            heard: gives until when everything that was sent is in the journal; see `dropped`.
        """
        self._writer = writer
        self._group_records = group_records
        self._group_seconds = group_seconds
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._upkeep = Upkeep(writer, reserve_bytes, set_aside_seconds)
        self._dropped = Dropped(writer.directory, on_dropped, heard)
        self._changed = threading.Condition()
        self._pending: _Group = []
        self._group: _Group = []
        self._pending_bytes = 0
        self._pending_since = 0.0
        self._closing = False
        self._full = ""
        self._try_at = 0.0
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
        """How many payloads were handed over, and are neither on disk nor, there, noted as dropped."""
        with self._changed:
            return len(self._pending) + len(self._group) + self._dropped.unnoted

    @property
    def dropped(self) -> int:
        """How many payloads were dropped so far."""
        return self._dropped.total

    @property
    def fill(self) -> float:
        """The share of its largest size that the journal has."""
        return self._writer.size / self._max_bytes

    @property
    def full(self) -> str:
        """Why nothing is taken: `size`, `disk`, or empty where it is."""
        return self._full

    def wait_beyond(self, sequence: int, seconds: float) -> None:
        """Return once a record from this sequence on is on disk, or when the time is over."""
        with self._changed:
            if self.durable <= sequence:
                self._changed.wait(seconds)

    def prune(self, before: int, keep_seconds: float) -> None:
        """Have segments deleted that Kafka has acknowledged, as `Writer.prune` says; done by `run`."""
        self._upkeep.acknowledged(before, keep_seconds)

    def close(self) -> None:
        """Have `run` commit what is pending and return."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def run(self) -> None:
        """Commit groups until closed.

        Raises:
            OSError: the disk fails, or is full at the end; what was pending is not accepted.
            StopError: the disk fails for good.
        """
        self._dropped.tell()
        while not (self._wait() and not self._pending):
            self._upkeep.run(full=bool(self._full))
            self._look_at_size()
            if self._group_is_due():
                self._commit()
        self._dropped.end()

    def _wait(self) -> bool:
        """Return when a group is due, or something else may be; whether the end has come."""
        with self._changed:
            if not self._closing:
                self._changed.wait(self._seconds_to_wait())
            return self._closing

    def _seconds_to_wait(self) -> float:
        if not self._pending or (self._full and self._when_full == "block"):
            return _TURN_SECONDS
        if len(self._pending) >= self._group_records:
            return 0.0
        return min(max(self._pending_since + self._group_seconds - time.monotonic(), 0.0), _TURN_SECONDS)

    def _group_is_due(self) -> bool:
        with self._changed:
            return bool(self._pending) and (
                self._closing
                or len(self._pending) >= self._group_records
                or time.monotonic() - self._pending_since >= self._group_seconds
            )

    def _look_at_size(self) -> None:
        if self._full != "disk":
            bound = self._max_bytes * (_LOW_WATER if self._full else 1)
            self._is_full("size" if self._writer.size >= bound else "")

    def _commit(self) -> None:
        if self._full == "size" and not self._closing:
            self._refuse()
        elif self._full != "disk" or self._may_have_room():
            try:
                self._append()
            except OSError as error:
                if not files.is_short(error):
                    raise
                self._is_full("disk", str(error))
                self._try_at = time.monotonic() + _TURN_SECONDS
                if self._closing:
                    self._leave(error)
                self._refuse()
        else:
            self._refuse()

    def _may_have_room(self) -> bool:
        """Whether it is time to try the disk again."""
        if self._closing:
            self._upkeep.free_reserve()
            return True
        if time.monotonic() < self._try_at:
            return False
        self._try_at = time.monotonic() + _TURN_SECONDS
        return self._upkeep.has_reserve()

    def _append(self) -> None:
        group = self._take()
        try:
            self._writer.append(group)
        except OSError:
            with self._changed:
                self._group = []
                self._pending = group + self._pending
                self._pending_bytes += sum(len(payload) for _, payload in group)
            raise
        if self._full == "disk":
            # Before more is heard of X: a kill must not come between.
            self._is_full("")
        with self._changed:
            self._group = []
            self.durable = self._writer.next_sequence
            self._changed.notify_all()
        metrics.accepted.inc(len(group))
        metrics.commits.inc()

    def _take(self) -> _Group:
        with self._changed:
            group, self._pending = self._pending, []
            self._group = group
            self._pending_bytes = 0
            self._changed.notify_all()
            return group

    def _refuse(self) -> None:
        """There is no room: leave what is pending where it is, or drop it."""
        if self._when_full == "drop_newest":
            self._drop(self._full)

    def _drop(self, cause: str) -> None:
        group = self._take()
        self._dropped.add(group, cause)
        with self._changed:
            self._group = []

    def _leave(self, error: OSError) -> None:
        """End with what could not be written, and note it."""
        self._drop("stop")
        self._dropped.end()
        raise error

    def _is_full(self, cause: str, error: str = "") -> None:
        if cause == self._full:
            return
        self._full = cause
        metrics.journal_full.set(bool(cause))
        if cause:
            log.error("journal: full", cause=cause, when_full=self._when_full, error=error)
        else:
            log.info("journal: has room again", bytes=self._writer.size)
            self._dropped.end()
