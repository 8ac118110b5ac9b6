"""archives.json: which archive each component of this installation comes from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from citypulse.control.archives.cache import write_whole


class Archive(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tar, ready to be unpacked on a host."""

    component: str
    """`kafka`, `cassandra`, `spark-kafka`, `jmx-exporter`, `python-producer`, …"""
    version: str
    """The server's version; for a service the hash of all that went into its archive."""
    path: str
    sha256: str
    python: str = ""
    """For a service: the Python version, such as `3.11`, that its wheels are for."""


def write(home: Path, archives: list[Archive]) -> None:
    """Write `archives.json` into `home`: component to version, path, sha256. An equal file is left alone."""
    path = home / "archives.json"
    entries = {entry.pop("component"): entry for entry in map(msgspec.to_builtins, archives)}
    text = msgspec.json.format(msgspec.json.encode(entries, order="sorted"), indent=2).decode() + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)


def read(home: Path) -> dict[str, Archive]:
    """What `write` wrote, by component; empty where nothing was."""
    path = home / "archives.json"
    if not path.exists():
        return {}
    entries = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, str]])
    return {name: Archive(component=name, **entry) for name, entry in entries.items()}
