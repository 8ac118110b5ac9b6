"""How far Kafka has acknowledged: the sequence of the first record that is not safely there.

The file `cursor`, 32 bytes, little-endian, always replaced whole:

     0               8   10  12              20              28      32
    +---------------+---+---+---------------+---------------+-------+
    | "CPULSEC\n"   | V | J | sequence      | stored, ms    | CRC   |
    +---------------+---+---+---------------+---------------+-------+
      J: the journal's number, as its segments have it; 0 is not known

A cursor that is lost, unsound or of another journal costs copies, never a loss: reading starts again at the
oldest record that is kept.
"""

import struct
import time
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import files, reserve, segment, setaside

VERSION = 1
_MAGIC = b"CPULSEC\n"
_BODY = struct.Struct("<8sHHQQ")
_CRC = struct.Struct("<I")


class Cursor(NamedTuple):
    """What the file says."""

    journal: int
    """The number of the journal that it is of; 0 is not known."""
    sequence: int


def load(directory: Path) -> int | None:
    """The sequence to go on with, or None where there is no sound cursor of this journal.

    Raises:
        BadInputError: another version of the format wrote it.
    """
    found = parse(directory)
    if found is None or (
        found.journal and found.journal != (segment.journal_number(directory) or found.journal)
    ):
        return None
    return found.sequence


def parse(directory: Path) -> Cursor | None:
    """What the cursor says, whichever journal it is of, or None where it is not there or unsound.

    Raises:
        BadInputError: another version of the format wrote it.
    """
    path = directory / "cursor"
    try:
        data = files.read(path)
    except FileNotFoundError:
        return None
    if len(data) != _BODY.size + _CRC.size:
        return None
    body, (crc,) = data[: _BODY.size], _CRC.unpack_from(data, _BODY.size)
    magic, version, journal, sequence, _ = _BODY.unpack(body)
    if magic != _MAGIC or crc32c(body) != crc:
        return None
    if version != VERSION:
        raise BadInputError(
            f"{path} is cursor format {version}, but this producer knows format {VERSION} only"
        )
    return Cursor(journal, sequence)


def store(directory: Path, sequence: int) -> bool:
    """Remember, safe on disk before this returns, that everything before a sequence is in Kafka.

    What was set aside instead of being sent is on disk before.

    Returns:
        Whether it is remembered. If not, the disk is full, and the cursor is the one before.

    Raises:
        OSError: the disk fails.
    """
    number = segment.journal_number(directory)
    body = _BODY.pack(_MAGIC, VERSION, number, sequence, time.time_ns() // 1_000_000)
    data = body + _CRC.pack(crc32c(body))
    try:
        setaside.sync(directory)
        reserve.with_room(directory, lambda: files.replace(directory / "cursor", data))
    except OSError as error:
        if files.is_short(error):
            return False
        raise
    return True
