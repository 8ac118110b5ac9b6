"""Which posts the journal holds already: what recent search finds again need not be journaled twice.

A copy would do no harm, since a post counts once. So a record that cannot be read, or a segment that is
deleted meanwhile, costs nothing but a copy.
"""

from pathlib import Path

import msgspec

from citypulse.producer.journal import segment
from citypulse.producer.journal.reader import Reader


class _Data(msgspec.Struct):
    id: int


class _Message(msgspec.Struct):
    data: _Data


_decoder = msgspec.json.Decoder(_Message, strict=False)


def post_ids(directory: Path, start: int, end: int, before: int) -> set[int]:
    """Ids of the posts that were received within a time.

    Args:
        directory: the journal's.
        start: ms since the epoch; the segment in which it lies is read from its beginning.
        end: ms since the epoch.
        before: a sequence; nothing from it on is read.
    """
    reader = Reader(directory, _sequence_at(directory, start, before), lambda *_: None)
    found: set[int] = set()
    try:
        while records := reader.read(before, 1000, 4 << 20):
            for record in records:
                if record.at >= start and (post := post_id(record.payload)) is not None:
                    found.add(post)
            if records[-1].at > end:
                break
    finally:
        reader.close()
    return found


def last_received(directory: Path, before: int) -> int | None:
    """When the last record before a sequence was received, in ms since the epoch; None without one."""
    if before <= 1 or not segment.paths(directory):
        return None
    reader = Reader(directory, max(before - 1, segment.first_sequence(directory)), lambda *_: None)
    try:
        records = reader.read(before, 1, 1)
    finally:
        reader.close()
    return records[0].at if records else None


def post_id(payload: bytes) -> int | None:
    """The id of a message's post; None where it has none."""
    try:
        return _decoder.decode(payload).data.id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _sequence_at(directory: Path, start: int, before: int) -> int:
    """The first sequence of the newest segment whose first record is older than `start`."""
    segments = [first for first, _ in segment.paths(directory)]
    for first in reversed(segments):
        reader = Reader(directory, first, lambda *_: None)
        try:
            records = reader.read(before, 1, 1)
        finally:
            reader.close()
        if records and records[0].at < start:
            return first
    return segments[0] if segments else before
