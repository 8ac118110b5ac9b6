"""Reads a journal in order from a sequence. A stretch that is no sound record is reported and passed."""

import os
from collections.abc import Callable
from pathlib import Path

from citypulse.producer.journal import segment
from citypulse.producer.journal.segment import Record

BLOCK = 256 << 10

OnCorrupt = Callable[[str, int, bytes, str], None]
"""Called with the segment's name, the offset in it, the bytes that are no record, and the reason."""


class Reader:
    """A position in a journal. Reads beside the writer, in its process or in another; takes no lock."""

    def __init__(self, directory: Path, sequence: int, on_corrupt: OnCorrupt) -> None:
        """Begin at a sequence; at 0, with the oldest record that is kept."""
        self._directory = directory
        self._on_corrupt = on_corrupt
        self.sequence = sequence
        """Every record before it was read or passed."""
        self._descriptor: int | None = None
        self._first = 0
        self._buffer = b""
        self._position = 0
        self._offset = 0
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
                if self._fill() or self._pass(before):
                    continue
                break
            record, end = sound
            if before is not None and record.sequence >= before:
                break
            if record.sequence > self.sequence > 0 and not self._reported:
                self._report(
                    self._position, f"records {self.sequence} to {record.sequence - 1} are not there"
                )
            self._reported = False
            self._position = end
            if record.sequence >= self.sequence:
                self.sequence = record.sequence + 1
                size += len(record.payload)
                records.append(record)
        return records

    def close(self) -> None:
        """Let go of the open file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> bool:
        """Open the segment that holds the next sequence; whether there is one."""
        # A segment is read once: where the one that should hold the sequence is behind us, its end is
        # missing.
        segments = [item for item in segment.paths(self._directory) if item[0] > self._first]
        if not segments:
            return False
        first, path = ([item for item in segments if item[0] <= self.sequence] or segments[:1])[-1]
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return self._open()
        self._first, self._path = first, path
        head = os.pread(self._descriptor, segment.HEADER_SIZE, 0)
        self._buffer, self._position = b"", 0
        self._offset = segment.HEADER_SIZE if segment.check_header(path, head) else 0
        return True

    def _fill(self) -> bool:
        """Read on in the segment; whether there was more."""
        assert self._descriptor is not None  # noqa: S101
        block = os.pread(self._descriptor, BLOCK, self._offset)
        if not block:
            return False
        self._buffer = self._buffer[self._position :] + block
        self._position = 0
        self._offset += len(block)
        return True

    def _pass(self, before: int | None) -> bool:
        """Pass what is no sound record, at the end of what the segment holds; whether reading can go on."""
        newest = segment.paths(self._directory)[-1][0] == self._first
        found = segment.find_record(self._buffer, self._position, self.sequence - 1)
        if found < len(self._buffer):
            self._report(found, "its CRC does not fit")
            return True
        if not newest:
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
