"""One process writes a journal: it holds the file `lock`, which has its process id."""

import contextlib
import os
import time
from pathlib import Path

from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import files

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.1


def acquire(directory: Path) -> int:
    """Become the writer of a journal, making its directory if need be.

    Returns:
        A descriptor that keeps others out until it is closed.

    Raises:
        BadInputError: another process is the writer, or the directory is not to be had.
        ShortError: the disk has no room for it.
    """
    path = directory / "lock"
    try:
        files.make_directory(directory)
        descriptor = files.lock(path)
        for _ in range(_ATTEMPTS):
            if descriptor is not None:
                break
            # Whoever only asks for the holder has it for an instant.
            time.sleep(_PAUSE_SECONDS)
            descriptor = files.lock(path)
    except OSError as error:
        if files.is_short(error):
            raise ShortError(
                f"journal.dir = {directory} has no room ({error.strerror}): free some"
            ) from error
        raise BadInputError(
            f"journal.dir = {directory} cannot be used ({error.strerror}); give it another"
        ) from error
    if descriptor is None:
        raise BadInputError(
            f"journal.dir = {directory} is in use by process {_process(path)}: stop that producer first,"
            " or give this one a directory of its own"
        )
    # The lock holds without the number, for which a full disk may have no room.
    with contextlib.suppress(OSError):
        files.overwrite(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def holder(directory: Path) -> str | None:
    """The process id of the journal's writer, or None where none runs."""
    path = directory / "lock"
    return _process(path) if files.is_locked(path) else None


def _process(path: Path) -> str:
    return files.read(path).decode(errors="replace").strip() or "unknown"
