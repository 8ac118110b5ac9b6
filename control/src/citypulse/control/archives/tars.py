"""Tars that are the same to the byte whenever they hold the same files."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from citypulse.control.archives.cache import sha256, write_whole

KEPT = 2
"""Tars of one component that stay in the cache: the newest ones, of whatever clone."""


def pack(files: Mapping[str, Path], target: Path, scratch: Path) -> str:
    """Pack `files` (name in the tar to file on disk) into `target`, and write down its sha256 beside it.

    Names are sorted; owner and time are fixed, and of a mode only counts whether the owner may execute it.
    `scratch` is a directory on the same file system.
    Returns the tar's sha256.
    """
    temporary = scratch / target.name
    with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as content:
                tar.addfile(entry, content)
    digest = sha256(temporary)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(target)
    write_whole(_record(target), f"{digest}  {target.name}\n")
    return digest


def intact(tar: Path) -> str | None:
    """The tar's sha256 where the file is what `pack` wrote, else None."""
    try:
        recorded = _record(tar).read_text(encoding="utf-8").split("  ")[0]
        found = sha256(tar)
    except FileNotFoundError:
        return None
    return found if found == recorded else None


def contents(tar: Path) -> dict[str, str]:
    """Name to sha256 of every file in the tar."""
    digests: dict[str, str] = {}
    with tarfile.open(tar) as opened:
        for entry in opened:
            content = opened.extractfile(entry)
            if content is not None:
                digests[entry.name] = hashlib.sha256(content.read()).hexdigest()
    return digests


def keep_newest(tar: Path, stem: str) -> None:
    """Mark `tar` as used now, and delete tars `<stem>-<hash>.tar` beyond the `KEPT` that were used last."""
    os.utime(tar)
    siblings = sorted(tar.parent.glob(f"{stem}-{'[0-9a-f]' * 12}.tar"), key=_used, reverse=True)
    for old in siblings[KEPT:]:
        old.unlink()
        _record(old).unlink(missing_ok=True)


def _used(tar: Path) -> int:
    return tar.stat().st_mtime_ns


def _record(tar: Path) -> Path:
    return tar.with_name(tar.name + ".sha256")
