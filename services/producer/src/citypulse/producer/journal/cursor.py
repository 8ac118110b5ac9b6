"""How far Kafka has acknowledged: the sequence of the first record that is not safely there.

The file `cursor`, 32 bytes, little-endian, always replaced whole:

     0               8   10  12              20              28      32
    +---------------+---+---+---------------+---------------+-------+
    | "CPULSEC\n"   | V | 0 | sequence      | stored, ms    | CRC   |
    +---------------+---+---+---------------+---------------+-------+

A cursor that is lost or unsound costs copies, never a loss: reading starts again at the oldest record that is
kept.
"""

import struct
import time
from pathlib import Path

from crc32c import crc32c

from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import files

VERSION = 1
_MAGIC = b"CPULSEC\n"
_BODY = struct.Struct("<8sHHQQ")
_CRC = struct.Struct("<I")


def load(directory: Path) -> int | None:
    """The sequence to go on with, or None where there is no sound cursor.

    Raises:
        BadInputError: another version of the format wrote it.
    """
    path = directory / "cursor"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _BODY.size + _CRC.size:
        return None
    body, (crc,) = data[: _BODY.size], _CRC.unpack_from(data, _BODY.size)
    magic, version, _, sequence, _ = _BODY.unpack(body)
    if magic != _MAGIC or crc32c(body) != crc:
        return None
    if version != VERSION:
        raise BadInputError(
            f"{path} is cursor format {version}, but this producer knows format {VERSION} only"
        )
    return int(sequence)


def store(directory: Path, sequence: int) -> None:
    """Remember, safe on disk before this returns, that everything before a sequence is in Kafka."""
    body = _BODY.pack(_MAGIC, VERSION, 0, sequence, time.time_ns() // 1_000_000)
    files.replace(directory / "cursor", body + _CRC.pack(crc32c(body)))
