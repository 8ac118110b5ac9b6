"""A disk that forgets: it stands in the place of `os` and `fcntl` under `citypulse.producer.journal.files`.

It keeps what a disk keeps. Content that was not synced, and names whose directory was not, may be there after
a crash, partly there, or not; a file that got longer may be longer and hold zeros. What was synced is there.
A sync that fails loses what it should have written, though the kernel goes on showing it, as Linux does.
"""

import errno
import fcntl
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from citypulse.producer.journal import files


class Crash(BaseException):
    """The power is gone."""


class Stats(NamedTuple):
    st_size: int
    st_mtime: float


class Inode:
    """A file: what the kernel shows, what the disk has, and what is on its way there."""

    def __init__(self) -> None:
        self.shown = bytearray()
        self.stored = bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []
        """Writes (offset, data) and truncations (size, None), in order."""
        self.mtime = 0.0
        self.locked_by: set[int] = set()

    def change(self, offset: int, data: bytes | None) -> None:
        _apply(self.shown, offset, data)
        self.unsynced.append((offset, data))

    def sync(self) -> None:
        for offset, data in self.unsynced:
            _apply(self.stored, offset, data)
        self.unsynced = []


class Open(NamedTuple):
    inode: Inode | None
    """None: the directory."""
    appends: bool


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        return
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


Survives = Callable[[random.Random], str]
"""What becomes of an unsynced change: `all`, `part`, `zeros` or `none`."""


class Disk:
    """One directory, and the calls of `os` and `fcntl` that the journal makes."""

    LOCK_EX, LOCK_SH, LOCK_NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_NB

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names_shown: dict[str, Inode] = {}
        self.names_stored: dict[str, Inode] = {}
        self.names_unsynced: list[tuple[str, Inode | None]] = []
        self.opened: dict[int, Open] = {}
        self.next_descriptor = 1000
        self.now = 1_700_000_000.0
        self.capacity: int | None = None
        self.failures: dict[str, int] = {}
        """Calls whose next use fails, with the errno."""
        self.boundaries = 0
        """Changes and syncs until now."""
        self.crash_at: int | None = None
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        if name.isupper():
            return getattr(os, name)
        raise AttributeError(name)

    def crash(self, survives: Survives, rng: random.Random) -> None:
        """Lose what a power cut loses; the machine is up again."""
        for inode in dict.fromkeys([*self.names_shown.values(), *self.names_stored.values()]):
            for offset, data in inode.unsynced:
                fate = survives(rng)
                if data is None:
                    if fate != "none":
                        _apply(inode.stored, offset, None)
                elif fate == "all":
                    _apply(inode.stored, offset, data)
                elif fate == "part":
                    _apply(inode.stored, offset, data[: rng.randint(0, len(data))])
                elif fate == "zeros":
                    _apply(inode.stored, offset, bytes(len(data)))
            inode.unsynced = []
        for name, changed in self.names_unsynced:
            if survives(rng) == "all":
                _name(self.names_stored, name, changed)
        self.names_unsynced = []
        self.names_shown = dict(self.names_stored)
        for inode in self.names_shown.values():
            inode.shown = bytearray(inode.stored)
            inode.locked_by = set()
        self.opened = {}
        self.crash_at, self.dead = None, False
        self.failures = {}

    def file(self, name: str) -> bytes:
        return bytes(self.names_shown[name].shown)

    def damage(self, name: str, change: Callable[[bytearray], None]) -> None:
        """Change a file behind everybody's back, on the disk itself."""
        inode = self.names_shown[name]
        change(inode.shown)
        inode.stored = bytearray(inode.shown)
        inode.unsynced = []

    def lose(self, name: str) -> None:
        """Have no file of that name, now and after any crash."""
        self.names_shown.pop(name, None)
        self.names_stored.pop(name, None)
        self.names_unsynced = [item for item in self.names_unsynced if item[0].split("\0")[-1] != name]

    # What follows are the calls of os, with its names.

    def mkdir(self, path: Path, _mode: int) -> None:
        raise FileExistsError(errno.EEXIST, "", str(path))

    def stat(self, path: Path) -> Stats:
        if path == self.directory:
            return Stats(0, 0.0)
        inode = self._find(path)
        return Stats(len(inode.shown), inode.mtime)

    def utime(self, path: Path, times: tuple[float, float]) -> None:
        self._find(path).mtime = times[1]

    def listdir(self, _path: Path) -> list[str]:
        return list(self.names_shown)

    def open(self, path: Path, flags: int, _mode: int = 0) -> int:
        self._alive()
        if flags & os.O_DIRECTORY:
            return self._describe(Open(None, False))
        inode = self.names_shown.get(path.name)
        if inode is None:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "", str(path))
            self._boundary("create")
            inode = Inode()
            inode.mtime = self.now
            self._change_name(path.name, inode)
        elif flags & os.O_EXCL:
            raise FileExistsError(errno.EEXIST, "", str(path))
        elif flags & os.O_TRUNC:
            self._boundary("truncate")
            inode.change(0, None)
        return self._describe(Open(inode, bool(flags & os.O_APPEND)))

    def close(self, descriptor: int) -> None:
        opened = self.opened.pop(descriptor, None)
        if opened and opened.inode:
            opened.inode.locked_by.discard(descriptor)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        return bytes(self._inode(descriptor).shown[offset : offset + size])

    def write(self, descriptor: int, data: memoryview) -> int:
        self._boundary("write")
        inode = self._inode(descriptor)
        written = bytes(data)
        if self.capacity is not None:
            room = self.capacity - self.used()
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = written[:room]
        # The journal either appends, or writes a file from its beginning.
        inode.change(len(inode.shown), written)
        inode.mtime = self.now
        return len(written)

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._boundary("truncate")
        self._inode(descriptor).change(size, None)

    def fdatasync(self, descriptor: int) -> None:
        self._sync("sync", descriptor)

    def fsync(self, descriptor: int) -> None:
        self._sync("sync" if self.opened[descriptor].inode else "sync directory", descriptor)

    def posix_fadvise(self, descriptor: int, _offset: int, _length: int, _advice: int) -> None:
        inode = self._inode(descriptor)
        if not inode.unsynced:
            inode.shown = bytearray(inode.stored)

    def posix_fallocate(self, descriptor: int, _offset: int, size: int) -> None:
        self._boundary("write")
        if self.capacity is not None and size > self.capacity - self.used():
            raise OSError(errno.ENOSPC, "No space left on device")
        self._inode(descriptor).change(0, bytes(size))

    def rename(self, source: Path, target: Path) -> None:
        self._boundary("rename")
        inode = self._find(source)
        # One change of two names: either both are as before, or both as after.
        self.names_shown.pop(source.name)
        self.names_shown[target.name] = inode
        self.names_unsynced.append((f"{source.name}\0{target.name}", inode))

    def unlink(self, path: Path) -> None:
        self._find(path)
        self._boundary("unlink")
        self._change_name(path.name, None)

    def flock(self, descriptor: int, how: int) -> None:
        inode = self._inode(descriptor)
        if inode.locked_by - {descriptor}:
            raise BlockingIOError(errno.EWOULDBLOCK, "")
        inode.locked_by.add(descriptor)

    def used(self) -> int:
        return sum(len(inode.shown) for inode in self.names_shown.values())

    def _sync(self, call: str, descriptor: int) -> None:
        inode = self.opened[descriptor].inode
        failing = call in self.failures
        try:
            self._boundary(call)
        finally:
            if failing and inode:
                # The kernel drops what it could not write, and says so once.
                inode.unsynced = []
        if inode:
            inode.sync()
            return
        for name, changed in self.names_unsynced:
            _name(self.names_stored, name, changed)
        self.names_unsynced = []

    def _boundary(self, call: str) -> None:
        self._alive()
        if self.crash_at == self.boundaries:
            self.dead = True
            raise Crash
        self.boundaries += 1
        if number := self.failures.pop(call, 0):
            raise OSError(number, os.strerror(number))

    def _alive(self) -> None:
        if self.dead:
            raise Crash

    def _describe(self, opened: Open) -> int:
        self.next_descriptor += 1
        self.opened[self.next_descriptor] = opened
        return self.next_descriptor

    def _inode(self, descriptor: int) -> Inode:
        self._alive()
        inode = self.opened[descriptor].inode
        assert inode
        return inode

    def _find(self, path: Path) -> Inode:
        self._alive()
        if path.name not in self.names_shown:
            raise FileNotFoundError(errno.ENOENT, "", str(path))
        return self.names_shown[path.name]

    def _change_name(self, name: str, inode: Inode | None) -> None:
        _name(self.names_shown, name, inode)
        self.names_unsynced.append((name, inode))


def _name(names: dict[str, Inode], name: str, inode: Inode | None) -> None:
    source, _, target = name.partition("\0")
    if target:
        names.pop(source, None)
    if inode is None:
        names.pop(name, None)
    else:
        names[target or name] = inode


def install(patch: pytest.MonkeyPatch, directory: Path) -> Disk:
    """Put a new disk under the journal."""
    disk = Disk(directory)
    patch.setattr(files, "os", disk)
    patch.setattr(files, "fcntl", disk)
    return disk
