"""The few operations on files whose order decides what survives a crash.

The journal touches the disk through these alone, and these through `os` and `fcntl` alone: whoever puts other
modules in their place puts another disk under the journal.
"""

# ruff: noqa: PTH102, PTH104, PTH108, PTH116, PTH208
# Path would go around the module `os` that stands here.

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

SHORT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The disk, the quota or the largest size of a file is used up: it may pass."""

TOO_LARGE = errno.EFBIG

_BLOCK = 1 << 20


def is_short(error: OSError) -> bool:
    """Whether the same operation may succeed once somebody has made room."""
    return error.errno in SHORT


def make_directory(directory: Path) -> None:
    """Have a directory, and those above it, safe on disk before this returns.

    Raises:
        OSError: it cannot be made, or is no directory.
    """
    missing = []
    while not exists(directory):
        missing.append(directory)
        directory = directory.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        sync_directory(path.parent)


def exists(path: Path) -> bool:
    """Whether there is something of that name."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def names(directory: Path) -> list[str]:
    """The names in a directory, in no order; none where there is no such directory."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def size(path: Path) -> int:
    """Bytes of a file."""
    return os.stat(path).st_size


def modified(path: Path) -> float:
    """When a file was last written, in seconds since the epoch."""
    return os.stat(path).st_mtime


def set_modified(path: Path, at: float) -> None:
    """Have a file say that it was last written then, in seconds since the epoch."""
    os.utime(path, (at, at))


def read(path: Path) -> bytes:
    """All of a file."""
    descriptor = open_to_read(path)
    try:
        return _read_all(descriptor)
    finally:
        close(descriptor)


def read_back(descriptor: int) -> bytes:
    """All of a file as the disk has it.

    What a dead process wrote and did not sync may be in the kernel's memory alone, and stays there, looking
    well, when writing it has failed. So it is synced, and what the kernel remembers is let go first.
    """
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return _read_all(descriptor)


def open_to_read(path: Path) -> int:
    """The descriptor of an existing file, open for reading."""
    return os.open(path, os.O_RDONLY)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Up to so many bytes from an offset on; fewer at the file's end."""
    return os.pread(descriptor, size, offset)


def close(descriptor: int) -> None:
    """Let go of a descriptor."""
    os.close(descriptor)


def create(path: Path, data: bytes) -> int:
    """Make a new file, safe on disk under its name before this returns.

    Returns:
        Its descriptor, open for reading and appending.

    Raises:
        FileExistsError: it is there already.
        OSError: nothing of it is left.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        append(descriptor, data)
        os.fsync(descriptor)
        sync_directory(path.parent)
    except OSError:
        os.close(descriptor)
        delete(path)
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


def replace(path: Path, data: bytes, modified: float | None = None) -> None:
    """Give a file new contents: after a crash it holds either all of the old or all of the new.

    Args:
        path: the file; it need not exist.
        data: what it holds then.
        modified: when it is to say that it was last written; None: now.

    Raises:
        OSError: it holds the old.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            append(descriptor, data)
            if modified is not None:
                set_modified(temporary, modified)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            delete(temporary)
        raise
    sync_directory(path.parent)


def allocate(path: Path, size: int) -> None:
    """Make a new file whose blocks are really taken from the disk.

    Raises:
        FileExistsError: it is there already.
        OSError: there is no room; nothing of it is left.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    except OSError:
        delete(path)
        raise
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Remove a file, if it is there. A crash may bring it back."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def sync_directory(directory: Path) -> None:
    """Have the directory's names on disk before this returns."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock(path: Path) -> int | None:
    """Take the lock that a file stands for, making the file if need be.

    Returns:
        A descriptor that holds the lock until it is closed, or None where another one holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock that a file stands for."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def overwrite(descriptor: int, data: bytes) -> None:
    """Give a file that was opened and never read new contents; not safe on disk."""
    os.ftruncate(descriptor, 0)
    append(descriptor, data)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that a file stands for while the block runs, waiting for it as long as it takes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    blocks = []
    offset = 0
    while block := read_at(descriptor, _BLOCK, offset):
        blocks.append(block)
        offset += len(block)
    return b"".join(blocks)
