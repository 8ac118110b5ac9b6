"""Room that is kept for a full disk: the file `reserve`, whose blocks are really taken.

It is freed when something small that must not wait cannot be written: the cursor, the record of a gap or of
what was dropped, the last messages before a stop. Appending goes on only once it could be made again, so that
what comes from X does not use it up.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from citypulse.producer.journal import files

_Result = TypeVar("_Result")


def make(directory: Path, size: int) -> bool:
    """Have the reserve, if there is room for it.

    Args:
        directory: the journal's.
        size: in bytes; 0: none is wanted.

    Returns:
        Whether there is nothing to wait for: it is there, or not wanted, or larger than a file may be.
    """
    path = directory / "reserve"
    if not size or files.exists(path):
        return True
    try:
        files.allocate(path, size)
    except OSError as error:
        if not files.is_short(error):
            raise
        return error.errno == files.TOO_LARGE
    return True


def free(directory: Path) -> bool:
    """Give the reserve's room back to the disk; whether there was one."""
    path = directory / "reserve"
    if not files.exists(path):
        return False
    files.delete(path)
    return True


def with_room(directory: Path, write: Callable[[], _Result]) -> _Result:
    """Do something that writes, and once more with the reserve's room if the disk is full.

    Raises:
        OSError: as the second attempt does.
    """
    try:
        return write()
    except OSError as error:
        if not files.is_short(error) or not free(directory):
            raise
    return write()
