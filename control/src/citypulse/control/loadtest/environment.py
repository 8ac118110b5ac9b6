"""Locust's own environment: made when it is first needed, anew when what it holds or this Python changes."""

from __future__ import annotations

import hashlib
import shutil
import sys
import venv
from pathlib import Path

from citypulse.control.archives.building import install
from citypulse.control.installation import Installation


def ready(inst: Installation) -> Path:
    """The directory of an environment that holds loadtest/requirements.txt."""
    pinned = inst.checkout / "loadtest" / "requirements.txt"
    key = hashlib.sha256(f"{inst.home} {sys.version}".encode() + pinned.read_bytes()).hexdigest()[:12]
    target = inst.home / f".loadtest-{key}"
    made = target / "made"
    if made.exists() and (target / "bin" / "python").exists():
        return target
    for other in inst.home.glob(".loadtest-*"):
        shutil.rmtree(other, ignore_errors=True)
    venv.EnvBuilder(with_pip=True).create(target)
    install(pinned, target / "bin" / "python", inst.home, inst.cache)
    made.touch()
    return target


def modules(inst: Installation) -> list[Path]:
    """Where the checkout's own code lies that it needs beside what is installed."""
    return [inst.checkout / "loadtest" / "src", *sorted((inst.checkout / "services").glob("*/src"))]
