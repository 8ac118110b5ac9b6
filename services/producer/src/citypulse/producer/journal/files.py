"""The few operations on files whose order decides what survives a crash.

The journal touches the disk through these.
"""

import os
from pathlib import Path


def create(path: Path, data: bytes) -> int:
    """Make a new file, safe on disk under its name before this returns.

    Returns:
        Its descriptor, open for reading and appending.

    Raises:
        FileExistsError: it is there already.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        append(descriptor, data)
        os.fsync(descriptor)
        sync_directory(path.parent)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def open_to_append(path: Path) -> int:
    """The descriptor of an existing file, open for reading and appending."""
    return os.open(path, os.O_RDWR | os.O_APPEND)


def append(descriptor: int, data: bytes) -> None:
    """Write all of the data at the file's end; not yet safe on disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync(descriptor: int) -> None:
    """Have what was appended on disk before this returns."""
    os.fdatasync(descriptor)


def truncate(descriptor: int, size: int) -> None:
    """Cut the file to a size in bytes, on disk before this returns."""
    os.ftruncate(descriptor, size)
    os.fsync(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Give a file new contents: after a crash it holds either all of the old or all of the new."""
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        append(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(path)
    sync_directory(path.parent)


def delete(path: Path) -> None:
    """Remove a file. A crash may bring it back, which harms nobody: what it held is acknowledged."""
    path.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Have the directory's names on disk before this returns."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
