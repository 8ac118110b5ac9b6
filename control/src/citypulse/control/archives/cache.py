"""The cache that all clones of one user share: its rooms, its lock, and files that appear in it whole.

archives/   the tars, and beside each its sha256
m2/         Maven's local repository
offered/    Grafana and its plugin, where somebody put them
wheels/     a directory for each pinned requirement, with its wheel
tmp/        what is being made; left over from a killed build until the next one
lock        held by whoever builds
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from citypulse.control.faults import Exit, Fault

LONGEST_WAIT = 1800.0
"""Seconds to wait for another build of the same cache."""


@dataclass(frozen=True)
class Cache:
    """The cache's directories under `root`."""

    root: Path

    @property
    def archives(self) -> Path:
        """Where the tars are."""
        return self.root / "archives"

    @property
    def maven_repository(self) -> Path:
        """Maven's local repository."""
        return self.root / "m2"

    @property
    def offered(self) -> Path:
        """Where a person puts what no registry has."""
        return self.root / "offered"

    @property
    def wheels(self) -> Path:
        """Where fetched and built wheels are kept."""
        return self.root / "wheels"

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A temporary directory on the cache's file system, so that files can be renamed into place."""
        parent = self.root / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=parent) as directory:
            yield Path(directory)


def default_root() -> Path:
    """$CITYPULSE_CACHE, or citypulse in the user's cache directory."""
    named = os.environ.get("CITYPULSE_CACHE")
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citypulse"


@contextmanager
def exclusive(root: Path, say: Callable[[str], None], longest_wait: float = LONGEST_WAIT) -> Iterator[Cache]:
    """Hold the cache at `root` against other builds; the system lets go of it however this process ends.

    While another process holds it, `say` gets a sentence, once. Raises `Fault` when `root` can't be written
    (exit code 2), or when the other process holds it for more than `longest_wait` seconds.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / "lock").open("a+")
    except OSError as error:
        raise Fault(
            f"CITYPULSE_CACHE={root} cannot be written ({error.strerror}): name a directory that can.",
            Exit.BAD_INPUT,
        ) from error
    with lock:
        _wait_for(lock.fileno(), root, say, longest_wait)
        _remove_leftovers(root)
        yield Cache(root)


def _wait_for(descriptor: int, root: Path, say: Callable[[str], None], longest_wait: float) -> None:
    deadline = time.monotonic() + longest_wait
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                say(f"another build is using {root}: waiting for it")
                told = True
            if time.monotonic() > deadline:
                raise Fault(
                    f"Another build has used {root} for {longest_wait:.0f} s: try again when it is done."
                ) from None
            time.sleep(0.2)
        else:
            return


def _remove_leftovers(root: Path) -> None:
    for leftover in (root / "tmp").glob("*"):
        shutil.rmtree(leftover, ignore_errors=True)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_hash(*parts: str | bytes) -> str:
    """Twelve hexadecimal digits that stand for `parts`, their order and their borders."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


def write_whole(path: Path, text: str) -> None:
    """Write a small text file so that it is seen with all of its content or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
