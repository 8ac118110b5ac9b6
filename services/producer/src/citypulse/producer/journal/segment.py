r"""The file format of a segment. All numbers are little-endian.

A journal is a directory:

    00000000000000000001.segment    records 1, 2, … up to the first sequence of the next segment
    00000000000000011873.segment    the newest one, which is appended to
    cursor                          the first sequence that Kafka has not acknowledged (see `cursor`)
    lock                            held by the process that writes
    set-aside.jsonl, corrupt.jsonl  what could not be sent or read, with the reason

A segment is a header of 32 bytes and then records, back to back:

     0               8   10  12              20              28      32
    +---------------+---+---+---------------+---------------+-------+
    | "CPULSEJ\n"   | V | 0 | first sequence| created, ms   | CRC   |
    +---------------+---+---+---------------+---------------+-------+
                      V: format version (1)    CRC32C of the 28 bytes before it

     0       4       8               16              24              24 + length
    +-------+-------+---------------+---------------+---------------+
    | length| CRC   | sequence      | time, ms      | payload       |
    +-------+-------+---------------+---------------+---------------+
      length: bytes of payload      time: when it was read, since the epoch
      CRC32C of sequence, time and payload, started from the length, so that it vouches for the length too

Sequences rise by one from record to record and never start again in the life of a journal. The payload is
what X sent, byte for byte, without its line end.
"""

import re
import struct
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from citypulse.producer.errors import BadInputError

VERSION = 1
MAGIC = b"CPULSEJ\n"
SUFFIX = ".segment"
MAX_PAYLOAD = 16 << 20

_HEADER = struct.Struct("<8sHHQQ")
_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<IIQQ")
_LENGTH_CRC = struct.Struct("<II")
_SEQUENCE_TIME = struct.Struct("<QQ")
HEADER_SIZE = _HEADER.size + _CRC.size
RECORD_SIZE = _RECORD.size


class Record(NamedTuple):
    """A payload as it was journaled."""

    sequence: int
    at: int
    """When it was read: milliseconds since the epoch."""
    payload: bytes


def name(first_sequence: int) -> str:
    """The file name of the segment that starts with a sequence."""
    return f"{first_sequence:020d}{SUFFIX}"


def paths(directory: Path) -> list[tuple[int, Path]]:
    """The segments of a journal with their first sequences, oldest first."""
    found = [
        (int(path.stem), path)
        for path in directory.glob(f"*{SUFFIX}")
        if path.stem.isascii() and path.stem.isdigit()
    ]
    return sorted(found)


def first_sequence(directory: Path) -> int:
    """The sequence of the oldest record that is kept, or of the first one there will be."""
    found = paths(directory)
    return found[0][0] if found else 1


def header(first_sequence: int, created: int) -> bytes:
    """The first bytes of a segment."""
    head = _HEADER.pack(MAGIC, VERSION, 0, first_sequence, created)
    return head + _CRC.pack(crc32c(head))


def check_header(path: Path, data: bytes) -> bool:
    """Whether a segment begins with a sound header.

    Raises:
        BadInputError: another version of the format wrote it.
    """
    if len(data) < HEADER_SIZE:
        return False
    head, (crc,) = data[: _HEADER.size], _CRC.unpack_from(data, _HEADER.size)
    magic, version, _, _, _ = _HEADER.unpack(head)
    if magic != MAGIC or crc32c(head) != crc:
        return False
    if version != VERSION:
        raise BadInputError(
            f"{path} is journal format {version}, but this producer knows format {VERSION} only:"
            " drain it with the version that wrote it, or give journal.dir another directory"
        )
    return True


def encode(sequence: int, at: int, payload: bytes) -> bytes:
    """A record's bytes."""
    body = _SEQUENCE_TIME.pack(sequence, at) + payload
    return _LENGTH_CRC.pack(len(payload), crc32c(body, len(payload))) + body


def decode(data: bytes, position: int) -> tuple[Record, int] | None:
    """The record at a position and where the next one begins, or None where no whole and sound record is."""
    if len(data) - position < RECORD_SIZE:
        return None
    length, crc, sequence, at = _RECORD.unpack_from(data, position)
    end = position + RECORD_SIZE + length
    if end > len(data) or crc32c(memoryview(data)[position + _LENGTH_CRC.size : end], length) != crc:
        return None
    return Record(sequence, at, data[position + RECORD_SIZE : end]), end


def find_record(data: bytes, position: int, after: int) -> int:
    """Where the next sound record begins, searched byte by byte after a record that is not.

    Args:
        data: a segment's bytes.
        position: where the unsound record begins.
        after: the last sequence that was read; the one that is searched has a greater one.

    Returns:
        The position of the next sound record, or the length of data.
    """
    # The upper six bytes of sequences stay the same for 65,536 records: the one after those has the next
    # value. The look-ahead lets matches overlap, for a stretch of zeros is such a stretch of upper bytes.
    for block in (after >> 16, (after >> 16) + 1):
        upper = re.compile(b"(?=" + re.escape(struct.pack("<Q", block << 16)[2:]) + b")")
        for match in upper.finditer(data, position + _LENGTH_CRC.size + 2):
            start = match.start() - _LENGTH_CRC.size - 2
            if start + RECORD_SIZE > len(data) or _RECORD.unpack_from(data, start)[2] <= after:
                continue
            if start > position and decode(data, start):
                return start
    return len(data)


def last_record(data: bytes, position: int, after: int) -> tuple[int, int]:
    """The sequence of the last sound record of a segment, and where it ends.

    Args:
        data: the whole segment.
        position: where its first record begins.
        after: the sequence before the segment's first.

    Returns:
        `after` and `position` where no sound record is.
    """
    end = position
    while position < len(data):
        if sound := decode(data, position):
            after, position = sound[0].sequence, sound[1]
            end = position
        else:
            position = find_record(data, position, after)
    return after, end
