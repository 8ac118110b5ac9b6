"""Appends to the newest segment, begins new ones, and deletes those that Kafka no longer needs us to keep."""

import fcntl
import os
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import cursor, files, segment
from citypulse.producer.journal.setaside import SetAside

log = structlog.get_logger()


class Writer:
    """The one writer of a journal. Not for several threads at once."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        """Open a journal, making it if need be; cut what a crash left half written.

        Args:
            directory: where the journal lives.
            segment_bytes: size at which a new segment begins.

        Raises:
            BadInputError: another process writes it, it is of another format, or the directory is not to be
                had.
        """
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._set_aside = SetAside(directory)
        self._lock = _lock(directory)
        self._segments = segment.paths(directory)
        self._sizes = {first: path.stat().st_size for first, path in self._segments}
        self.next_sequence = cursor.load(directory) or 1
        """The sequence of the next record; all before it are on disk."""
        if not self._open_newest():
            self._begin_segment()

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes.copy().values())

    @property
    def first_sequence(self) -> int:
        """First sequence of the oldest segment that is kept."""
        return self._segments[0][0]

    def append(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Write records, in order, and have them on disk before this returns.

        Args:
            records: time in ms since the epoch and payload of each.

        Raises:
            OSError: nothing of it counts as written.
        """
        sequence = self.next_sequence
        parts = []
        for at, payload in records:
            parts.append(segment.encode(sequence, at, payload))
            sequence += 1
        data = b"".join(parts)
        if self._size + len(data) > self._segment_bytes and self._size > segment.HEADER_SIZE:
            full = self._descriptor
            self._begin_segment()
            os.close(full)
        try:
            files.append(self._descriptor, data)
        except OSError:
            files.truncate(self._descriptor, self._size)
            raise
        files.sync(self._descriptor)
        self._size += len(data)
        self._sizes[self._segments[-1][0]] = self._size
        self.next_sequence = sequence

    def prune(self, before: int, keep_seconds: float, max_bytes: int) -> None:
        """Delete segments whose records are all acknowledged, once they are old enough. The newest one stays.

        Args:
            before: a sequence; what is before it is acknowledged, and a cursor on disk says so.
            keep_seconds: how long a segment is kept after its last record,
            max_bytes: unless the journal has this size: what Kafka has must not stop what X sends.
        """
        while len(self._segments) > 1 and self._segments[1][0] <= before:
            first, path = self._segments[0]
            young = time.time() - path.stat().st_mtime < keep_seconds
            if young and self.size < max_bytes:
                return
            files.delete(path)
            del self._segments[0], self._sizes[first]

    def close(self) -> None:
        """Let another process have the journal."""
        os.close(self._descriptor)
        os.close(self._lock)

    def _open_newest(self) -> bool:
        """Find the last record; whether appending goes on in the newest segment."""
        while self._segments:
            first, path = self._segments[-1]
            data = path.read_bytes()
            sound = segment.check_header(path, data)
            last, end = segment.last_record(data, segment.HEADER_SIZE if sound else 0, first - 1)
            if end < len(data):
                log.warning("journal: a torn tail is cut", segment=path.name, at=end, bytes=len(data) - end)
                self._set_aside.corrupt(path.name, end, data[end:], "torn tail")
            if not sound and not end:
                # A header is on disk before any record is: there was none.
                files.delete(path)
                del self._segments[-1], self._sizes[first]
                continue
            descriptor = files.open_to_append(path)
            if end < len(data):
                files.truncate(descriptor, end)
            self._sizes[first] = end
            # A cursor ahead of the last record must not have its sequences given twice.
            goes_on = sound and last + 1 >= self.next_sequence
            self.next_sequence = max(self.next_sequence, last + 1)
            if goes_on:
                self._descriptor, self._size = descriptor, end
            else:
                os.close(descriptor)
            return goes_on
        return False

    def _begin_segment(self) -> None:
        path = self._directory / segment.name(self.next_sequence)
        head = segment.header(self.next_sequence, time.time_ns() // 1_000_000)
        self._descriptor = files.create(path, head)
        self._size = len(head)
        self._segments.append((self.next_sequence, path))
        self._sizes[self.next_sequence] = self._size


def _lock(directory: Path) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise BadInputError(
            f"journal.dir = {directory} cannot be used ({error.strerror}); give it another"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise BadInputError(
            f"journal.dir = {directory} is in use by process {owner}: stop that producer first,"
            " or give this one a directory of its own"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
