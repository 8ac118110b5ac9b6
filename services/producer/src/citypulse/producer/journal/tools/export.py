"""Writes out what a journal holds."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec

from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record

_RECORDS = 1000
_BYTES = 8 << 20


class Meta(msgspec.Struct, omit_defaults=True):
    """A line with what the journal knows of a payload."""

    sequence: int
    at: int
    payload: msgspec.Raw = msgspec.Raw()
    """Where it is JSON; else:"""
    base64: str = ""


class Exported(msgspec.Struct):
    """How many lines were given, how many stretches of the journal hold no sound record, and of how many
    records no event can be made."""

    lines: int = 0
    unsound: int = 0
    unusable: int = 0


def lines(
    directory: Path,
    sequences: tuple[int, int],
    times: tuple[int, int],
    with_meta: bool,
    exported: Exported,
) -> Iterator[bytes]:
    """The payloads of a journal, byte for byte as X sent them, a line each; works beside its writer.

    Args:
        directory: the journal's.
        sequences: from the first on, before the second.
        times: the same of when they were received, in ms since the epoch.
        with_meta: give sequence and time too; see `Meta`.
        exported: is told what was given.
    """

    def corrupt(_name: str, _offset: int, data: bytes, _reason: str) -> None:
        # What is only missing may be what Kafka has.
        exported.unsound += bool(data)

    reader = Reader(directory, sequences[0], corrupt)
    try:
        while records := reader.read(None, _RECORDS, _BYTES):
            for record in records:
                if record.sequence >= sequences[1]:
                    return
                if times[0] <= record.at < times[1]:
                    exported.lines += 1
                    yield (_with_meta(record) if with_meta else record.payload) + b"\n"
    finally:
        reader.close()


def _with_meta(record: Record) -> bytes:
    meta = Meta(record.sequence, record.at)
    try:
        msgspec.json.decode(record.payload)
        meta.payload = msgspec.Raw(record.payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        meta.base64 = base64.b64encode(record.payload).decode()
    return msgspec.json.encode(meta)
