"""Reads a journal in order from a sequence. A stretch that is no sound record is reported and passed."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from citypulse.producer.journal import files, segment
from citypulse.producer.journal.segment import Record

BLOCK = 256 << 10

OnCorrupt = Callable[[str, int, bytes, str], None]
"""Called with the segment's name, the offset in it, the bytes that are no record, and the reason."""


class Reader:
    """A position in a journal. Reads beside the writer, in its process or in another; takes no lock."""

    def __init__(
        self, directory: Path, sequence: int, on_corrupt: OnCorrupt, *, tombstones: bool = False
    ) -> None:
        """Begin at a sequence.

        Args:
            directory: the journal's.
            sequence: of the first record to read; 0: the oldest that is kept.
            on_corrupt: told of what cannot be read.
            tombstones: whether records whose payload was forgotten are given too, with an empty one.
        """
        self._directory = directory
        self._on_corrupt = on_corrupt
        self._tombstones = tombstones
        self.sequence = sequence
        """Every record before it was read or passed."""
        self._ahead: deque[tuple[int, Path]] = deque()
        self._descriptor: int | None = None
        self._first = 0
        self._buffer = b""
        self._position = 0
        self._offset = 0
        self._promised: int | None = None
        self._reported = False

    def read(self, before: int | None, max_records: int, max_bytes: int) -> list[Record]:
        """The next records.

        Args:
            before: read none from this sequence on: the writer has not promised them yet. None: all that are
                whole.
            max_records: at most so many.
            max_bytes: no further one once their payloads have so many bytes.

        Returns:
            An empty list where there is nothing to read for now.
        """
        records: list[Record] = []
        size = 0
        while len(records) < max_records and size < max_bytes and (before is None or self.sequence < before):
            if self._descriptor is None and not self._open():
                break
            sound = segment.decode(self._buffer, self._position)
            if sound is None:
                if self._fill(before) or self._pass(before):
                    continue
                break
            record, end = sound
            if self._promised is not None and record.sequence >= self._promised:
                if before is not None and before <= self._promised:
                    break
                # It was read before it was promised: other bytes may stand there by now.
                self._rewind()
                continue
            if record.sequence > self.sequence > 0 and not self._reported:
                self._report(
                    self._position, f"records {self.sequence} to {record.sequence - 1} are not there"
                )
            self._reported = False
            self._position = end
            if record.sequence >= self.sequence:
                self.sequence = record.sequence + 1
                if record.payload or self._tombstones:
                    size += len(record.payload)
                    records.append(record)
        return records

    def close(self) -> None:
        """Let go of the open file."""
        if self._descriptor is not None:
            files.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> bool:
        """Open the segment that holds the next sequence; whether there is one."""
        # A segment is read once: where the one that should hold the sequence is behind us, its end is
        # missing.
        while self._ahead or self._look_ahead():
            first, path = self._ahead.popleft()
            if self._ahead and self._ahead[0][0] <= self.sequence:
                continue
            try:
                self._descriptor = files.open_to_read(path)
            except FileNotFoundError:
                # Pruned: what Kafka has need not be read.
                self._first = first
                continue
            self._first, self._path = first, path
            head = files.read_at(self._descriptor, segment.HEADER_SIZE, 0)
            self._buffer, self._position, self._promised = b"", 0, None
            self._offset = segment.HEADER_SIZE if segment.parse_header(path, head) else 0
            return True
        return False

    def _look_ahead(self) -> bool:
        """List the segments behind the one that was opened last; whether there are any."""
        self._ahead.extend(item for item in segment.paths(self._directory) if item[0] > self._first)
        return bool(self._ahead)

    def _rewind(self) -> None:
        """Have what is buffered and not read yet read from the file again."""
        self._offset -= len(self._buffer) - self._position
        self._buffer, self._position = b"", 0

    def _fill(self, before: int | None) -> bool:
        """Read on in the segment; whether there is anything else than before."""
        assert self._descriptor is not None  # noqa: S101
        rest = self._buffer[self._position :]
        self._rewind()
        self._buffer = files.read_at(self._descriptor, len(rest) + BLOCK, self._offset)
        self._offset += len(self._buffer)
        self._promised = before
        return self._buffer != rest

    def _pass(self, before: int | None) -> bool:
        """Pass what is no sound record, at the end of what the segment holds; whether reading can go on."""
        if (complete := bool(self._ahead) or self._look_ahead()) and self._fill(before):
            # The writer had appended to it before it began the next one.
            return True
        after = max(self.sequence, self._first) - 1
        found = segment.find_record(self._buffer, self._position, after)
        if found < len(self._buffer):
            self._report(found, "its CRC does not fit")
            return True
        if complete:
            if self._position < len(self._buffer):
                self._report(found, "no record follows it in its segment")
            self.close()
            return True
        if before is not None:
            # Promised, yet unreadable. It is reported when the next record shows where it ends: until then
            # the bytes behind it may be a record that is being written.
            self.sequence = before
        return False

    def _report(self, end: int, reason: str) -> None:
        start = self._offset - (len(self._buffer) - self._position)
        self._reported = True
        self._on_corrupt(self._path.name, start, self._buffer[self._position : end], reason)
        self._position = end
