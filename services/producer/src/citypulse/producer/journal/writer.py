"""Appends to the newest segment, begins new ones, and deletes those that Kafka no longer needs us to keep."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from citypulse.producer.errors import ShortError, StopError
from citypulse.producer.journal import cursor, files, lock, reserve, segment, setaside
from citypulse.producer.journal.setaside import SetAside

PRUNED_AT_ONCE = 8
"""Segments that one pass deletes at most: what comes from X waits meanwhile."""

SEGMENT_SECONDS = 900.0
"""For how long records go into one segment: the newest is never deleted, and on a quiet stream would keep for
days what Kafka has.
"""

log = structlog.get_logger()


class Writer:
    """The one writer of a journal. Not for several threads at once."""

    def __init__(
        self, directory: Path, segment_bytes: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Open a journal, making it if need be; cut what a crash left half written.

        Reads no more than the newest segment that has records.

        Args:
            directory: where the journal lives.
            segment_bytes: size at which a new segment begins.
            monotonic: seconds, for what a new segment begins after.

        Raises:
            BadInputError: another process writes it, it is of another format, or the directory is not to be
                had.
            ShortError: the disk is so full that it cannot be opened.
            StopError: the disk fails.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._monotonic = monotonic
        self._begun = monotonic()
        self._set_aside = SetAside(directory)
        self._lock = lock.acquire(directory)
        self._descriptor: int | None = None
        self._size = 0
        self.next_sequence = 1
        """The sequence of the next record; all before it are on disk."""
        try:
            self._open()
        except OSError as error:
            self.close()
            kind = ShortError if files.is_short(error) else StopError
            raise kind(f"journal.dir = {directory} cannot be opened: {error}") from error
        except StopError:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes.copy().values())

    @property
    def directory(self) -> Path:
        """Where the journal lives."""
        return self._directory

    def append(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Write records, in order, and have them on disk before this returns.

        Args:
            records: time in ms since the epoch and payload of each; an empty payload is a tombstone.

        Raises:
            OSError: nothing of it counts as written. Where the disk is short, the same can be tried again.
            StopError: the disk fails, so that what was written cannot be taken back.
        """
        data = segment.encode_all(self.next_sequence, records)
        if self._descriptor is None or (
            self._size + len(data) > self._segment_bytes and self._size > segment.HEADER_SIZE
        ):
            self.rotate()
        assert self._descriptor is not None  # noqa: S101
        try:
            files.append(self._descriptor, data)
            files.sync(self._descriptor)
        except OSError as error:
            self._take_back(self._descriptor, error)
            raise
        if self._size <= segment.HEADER_SIZE:
            self._begun = self._monotonic()
        self._size += len(data)
        self._sizes[self._segments[-1][0]] = self._size
        self.next_sequence += len(records)

    def rotate(self) -> None:
        """Begin a new segment, unless the newest one has no record yet.

        Raises:
            OSError: the newest one stays as it is.
        """
        if self._descriptor is not None and self._size <= segment.HEADER_SIZE:
            return
        path = self._directory / segment.name(self.next_sequence)
        head = segment.header(self.next_sequence, time.time_ns() // 1_000_000, self._number)
        descriptor = files.create(path, head)
        if self._descriptor is not None:
            files.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(head)
        self._segments.append((self.next_sequence, path))
        self._sizes[self.next_sequence] = self._size

    def rotate_old(self) -> None:
        """Begin a new segment where records have gone into the newest for long enough. Raises as `rotate`."""
        if self._monotonic() - self._begun >= SEGMENT_SECONDS:
            self.rotate()

    def prune(self, before: int, keep_seconds: float, needs_room: bool) -> None:
        """Delete segments whose records are all acknowledged, once they are old enough; a few at a time.

        The newest one stays, unless room is needed and all of it is acknowledged: then a new one begins.

        Args:
            before: a sequence; what is before it is acknowledged. Only what the cursor on disk says so of is
                deleted.
            keep_seconds: how long a segment is kept after its last record,
            needs_room: unless this is so: what Kafka has must not stop what X sends.
        """
        if needs_room and before >= self.next_sequence:
            reserve.with_room(self._directory, self.rotate)
        due = []
        for (first, path), (following, _) in zip(self._segments, self._segments[1:], strict=False):
            if following > before or not (needs_room or _age(path) >= keep_seconds):
                break
            due.append((following, first, path))
        durable = (cursor.load(self._directory) or 0) if due else 0
        due = [item for item in due[:PRUNED_AT_ONCE] if item[0] <= durable]
        if not due or (changing := files.lock(setaside.changes_lock(self._directory))) is None:
            return
        try:
            # The cursor was synced before it got its name: with the names, it is on disk.
            files.sync_directory(self._directory)
            for _, first, path in due:
                files.delete(path)
                del self._segments[0], self._sizes[first]
        finally:
            files.close(changing)

    def close(self) -> None:
        """Let another process have the journal."""
        if self._descriptor is not None:
            files.close(self._descriptor)
            self._descriptor = None
        files.close(self._lock)

    def _open(self) -> None:
        for file in files.names(self._directory):
            if file.endswith(".tmp"):
                files.delete(self._directory / file)
        self._segments = segment.paths(self._directory)
        self._sizes = {first: files.size(path) for first, path in self._segments}
        self._number = _journal_number(self._directory)
        self.next_sequence = cursor.load(self._directory) or 1
        if not self._open_newest():
            try:
                self.rotate()
            except OSError as error:
                # On a full disk the first append tries again.
                if not files.is_short(error):
                    raise
        # What the last process had made or renamed may not be on disk under its name yet.
        files.sync_directory(self._directory)

    def _open_newest(self) -> bool:
        """Find the last record; whether appending goes on in the segment that has it."""
        while self._segments:
            first, path = self._segments[-1]
            descriptor = files.open_to_append(path)
            data = files.read_back(descriptor)
            header = segment.parse_header(path, data)
            sound = header is not None
            last, end = segment.last_record(data, segment.HEADER_SIZE if sound else 0, first - 1)
            # A segment's name alone says that every sequence before it was given, and so does a cursor ahead
            # of the last record.
            goes_on = sound and last + 1 >= self.next_sequence
            self.next_sequence = max(self.next_sequence, last + 1)
            if end < len(data):
                log.warning("journal: a torn tail is cut", segment=path.name, at=end, bytes=len(data) - end)
                self._set_aside.corrupt(path.name, end, data[end:], "torn tail")
                files.truncate(descriptor, end)
            self._sizes[first] = end
            empty = last < first
            if goes_on and not (empty and len(self._segments) > 1):
                age = time.time() - header.created / 1000 if header else 0.0
                self._begun = self._monotonic() - min(max(age, 0.0), SEGMENT_SECONDS)
                self._descriptor, self._size = descriptor, end
                return True
            files.close(descriptor)
            if not empty:
                return False
            # One that could not be begun may come back after a crash, with the records in the one before it.
            files.delete(path)
            del self._segments[-1], self._sizes[first]
        return False

    def _take_back(self, descriptor: int, cause: OSError) -> None:
        """Cut what a failed append may have left: what a failed sync leaves is not to be trusted."""
        try:
            files.truncate(descriptor, self._size)
        except OSError as error:
            raise StopError(
                f"the journal's disk fails: {self._segments[-1][1]} could neither be written ({cause}) nor"
                f" cut back ({error}); look after the disk, what was accepted is kept"
            ) from error


def _journal_number(directory: Path) -> int:
    """Of the segments, or of the cursor where they are gone, or a new one."""
    found = cursor.parse(directory)
    return segment.journal_number(directory) or (found and found.journal) or random.randint(1, 0xFFFF)  # noqa: S311


def _age(path: Path) -> float:
    """Seconds since a segment was last written."""
    age = time.time() - files.modified(path)
    if age < 0:
        # The clock was set back. What is to come of it must not be kept until the clock is there again.
        files.set_modified(path, time.time())
    return age
