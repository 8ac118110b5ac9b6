r"""The file format of a segment. All numbers are little-endian.

A journal is a directory:

    00000000000000000001.segment    records 1, 2, … up to the first sequence of the next segment
    00000000000000011873.segment    the newest one, which is appended to
    cursor                          the first sequence that Kafka has not acknowledged (see `cursor`)
    producer                        name and run under which the records were accepted (see `owner`)
    lock                            held by the process that writes
    changes.lock                    held while a segment is deleted or rewritten, or a JSON lines file written
    rotate                          asks the process that writes to begin a new segment (see `upkeep`)
    reserve                         room for a clean stop on a full disk (see `reserve`)
    quarantine.jsonl                bytes of segments that are no record (see `setaside`)
    dead-letters.jsonl              records that Kafka refuses for good
    set-aside.jsonl                 messages that could not become an event
    dropped.jsonl                   when and how many messages were dropped (see `dropped`)
    *.tmp                           what a crash left of a file that was to replace another

A segment is a header of 32 bytes and then records, back to back:

     0               8   10  12              20              28      32
    +---------------+---+---+---------------+---------------+-------+
    | "CPULSEJ\n"   | V | J | first sequence| created, ms   | CRC   |
    +---------------+---+---+---------------+---------------+-------+
      V: format version (1)    J: a random number of the journal, not 0; 0 is not known
      CRC32C of the 28 bytes before it

     0       4       8               16              24              24 + length
    +-------+-------+---------------+---------------+---------------+
    | length| CRC   | sequence      | time, ms      | payload       |
    +-------+-------+---------------+---------------+---------------+
      length: bytes of payload      time: when it was read, since the epoch
      CRC32C of sequence, time and payload, started from the length, so that it vouches for the length too

Sequences rise by one from record to record and never start again in the life of a journal. The payload is
what X sent, byte for byte, without its line end. A record without payload is a tombstone: what it held was
forgotten on request, and readers pass over it.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import files

VERSION = 1
MAGIC = b"CPULSEJ\n"
SUFFIX = ".segment"

_HEADER = struct.Struct("<8sHHQQ")
_CRC = struct.Struct("<I")
_RECORD = struct.Struct("<IIQQ")
_LENGTH_CRC = struct.Struct("<II")
_SEQUENCE_TIME = struct.Struct("<QQ")
HEADER_SIZE = _HEADER.size + _CRC.size
RECORD_SIZE = _RECORD.size


class Header(NamedTuple):
    """What a segment says of itself."""

    journal: int
    """The journal's random number, 0 where it is not known."""
    first_sequence: int
    created: int
    """Milliseconds since the epoch."""


class Record(NamedTuple):
    """A payload as it was journaled."""

    sequence: int
    at: int
    """When it was read: milliseconds since the epoch."""
    payload: bytes
    """Empty in a tombstone."""


class Stretch(NamedTuple):
    """Some bytes of a segment: a record, or none."""

    start: int
    end: int
    record: Record | None


def name(first_sequence: int) -> str:
    """The file name of the segment that starts with a sequence."""
    return f"{first_sequence:020d}{SUFFIX}"


def paths(directory: Path) -> list[tuple[int, Path]]:
    """The segments of a journal with their first sequences, oldest first."""
    stems = [
        (file.removesuffix(SUFFIX), directory / file)
        for file in files.names(directory)
        if file.endswith(SUFFIX)
    ]
    return sorted((int(stem), path) for stem, path in stems if stem.isascii() and stem.isdigit())


def first_sequence(directory: Path) -> int:
    """The sequence of the oldest record that is kept, or of the first one there will be."""
    found = paths(directory)
    return found[0][0] if found else 1


def journal_number(directory: Path) -> int:
    """The journal's random number as its newest sound header has it; 0 where it is not known."""
    for _, path in reversed(paths(directory)):
        try:
            head = read_head(path)
        except FileNotFoundError:
            continue
        if head:
            return head.journal
    return 0


def read_head(path: Path) -> Header | None:
    """A segment's header, read from its file; see `parse_header`."""
    descriptor = files.open_to_read(path)
    try:
        return parse_header(path, files.read_at(descriptor, HEADER_SIZE, 0))
    finally:
        files.close(descriptor)


def header(first_sequence: int, created: int, journal: int) -> bytes:
    """The first bytes of a segment."""
    head = _HEADER.pack(MAGIC, VERSION, journal, first_sequence, created)
    return head + _CRC.pack(crc32c(head))


def parse_header(path: Path, data: bytes) -> Header | None:
    """What the first bytes of a segment say, or None where they are no sound header.

    Raises:
        BadInputError: another version of the format wrote it.
    """
    if len(data) < HEADER_SIZE:
        return None
    head, (crc,) = data[: _HEADER.size], _CRC.unpack_from(data, _HEADER.size)
    magic, version, journal, first, created = _HEADER.unpack(head)
    if magic != MAGIC or crc32c(head) != crc:
        return None
    if version != VERSION:
        raise BadInputError(
            f"{path} is journal format {version}, but this producer knows format {VERSION} only:"
            " drain it with the version that wrote it, or give journal.dir another directory"
        )
    return Header(journal, first, created)


def encode(sequence: int, at: int, payload: bytes) -> bytes:
    """A record's bytes."""
    return encode_all(sequence, [(at, payload)])


def encode_all(sequence: int, records: Iterable[tuple[int, bytes]]) -> bytes:
    """The bytes of records, given as time and payload, the first of which has a sequence.

    Most of what appending costs the processor is here: payloads are copied once, nothing is looked up twice.
    """
    parts: list[bytes] = []
    add, pack, pack_head, crc = parts.append, _SEQUENCE_TIME.pack, _RECORD.pack, crc32c
    for at, payload in records:
        length = len(payload)
        add(pack_head(length, crc(payload, crc(pack(sequence, at), length)), sequence, at))
        add(payload)
        sequence += 1
    return b"".join(parts)


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
    found = len(data)
    for block in (after >> 16, (after >> 16) + 1):
        upper = re.compile(b"(?=" + re.escape(struct.pack("<Q", block << 16)[2:]) + b")")
        for match in upper.finditer(data, position + _LENGTH_CRC.size + 2, found):
            start = match.start() - _LENGTH_CRC.size - 2
            if start + RECORD_SIZE > len(data) or _RECORD.unpack_from(data, start)[2] <= after:
                continue
            if start > position and decode(data, start):
                found = start
                break
    return found


def stretches(data: bytes, position: int, after: int) -> Iterator[Stretch]:
    """All of a segment from a position on, as records and what is none.

    Args:
        data: the whole segment.
        position: where its first record begins.
        after: the sequence before the segment's first.
    """
    while position < len(data):
        if sound := decode(data, position):
            record, end = sound
            after = record.sequence
            yield Stretch(position, end, record)
        else:
            end = find_record(data, position, after)
            yield Stretch(position, end, None)
        position = end


def last_record(data: bytes, position: int, after: int) -> tuple[int, int]:
    """The sequence of the last sound record of a segment, and where it ends.

    Takes the arguments of `stretches`; returns `after` and `position` where no sound record is.
    """
    end = position
    for stretch in stretches(data, position, after):
        if stretch.record:
            after, end = stretch.record.sequence, stretch.end
    return after, end
