"""A wheel for each pinned requirement: fetched once, or built once from a source distribution, then kept."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from citypulse.control.archives.cache import sha256, short_hash
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.requirements import Requirement
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Fault

EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}
"""1980-01-01, the earliest time that a zip file can hold: what is built twice is the same."""

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FILE = re.compile(r"(?:Downloading|Using cached|Processing) (\S+)")


def wheel(requirement: Requirement, shop: Workshop, task: Task) -> Path:
    """The requirement's wheel in the cache.

    A fetched wheel is checked against the requirement's hashes each time. Where only a source distribution is
    published, pip checks that, and the wheel built from it is checked against the sha256 that was written
    down when it was built. Raises `Fault`, naming the file, where a checksum is wrong.
    """
    directory = shop.cache.wheels / f"{requirement.name}-{requirement.version}-{_key(requirement)}"
    kept = _kept(directory, requirement)
    if kept is not None:
        return kept
    with shop.cache.scratch(requirement.name) as scratch:
        made = _fetch(requirement, scratch, shop, task)
        (scratch / "made").mkdir()
        made.rename(scratch / "made" / made.name)
        (scratch / "made" / "sha256").write_text(sha256(scratch / "made" / made.name))
        directory.parent.mkdir(parents=True, exist_ok=True)
        if directory.exists():
            directory.rename(scratch / "damaged")
        (scratch / "made").rename(directory)
    return directory / made.name


def _key(requirement: Requirement) -> str:
    return short_hash(requirement.line, sys.implementation.cache_tag)


def _kept(directory: Path, requirement: Requirement) -> Path | None:
    wheels = list(directory.glob("*.whl"))
    if len(wheels) != 1:
        return None
    digest = sha256(wheels[0])
    recorded = directory / "sha256"
    if digest in requirement.hashes or (recorded.exists() and recorded.read_text() == digest):
        return wheels[0]
    return None


def _fetch(requirement: Requirement, scratch: Path, shop: Workshop, task: Task) -> Path:
    listed = scratch / "requirements.txt"
    listed.write_text(requirement.line + "\n")
    file = requirement.pin

    def watch(line: str) -> None:
        nonlocal file
        progress = _PROGRESS.match(line)
        named = _FILE.search(line)
        if progress:
            done, total = float(progress[1]), float(progress[2])
            task.show(f"{file}: {size(done)} of {size(total)}", done, total)
        elif named:
            file = named[1].rsplit("/", 1)[-1]
        elif "Building wheel" in line:
            task.show(f"building a wheel of {requirement.pin}")

    try:
        shop.children.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--no-input", "--disable-pip-version-check"),
                *("--no-cache-dir", "--no-deps", "--no-build-isolation", "--require-hashes"),
                *("--progress-bar", "raw", "--wheel-dir", scratch, "--requirement", listed),
            ],
            watch,
            env={**EPOCH, "TMPDIR": str(scratch)},
        )
    except FailedError as failed:
        if "DO NOT MATCH THE HASHES" in str(failed):
            sentence = (
                f"{file} has a wrong checksum: the requirement files allow other files of {requirement.pin}."
            )
        else:
            sentence = f"{requirement.pin} could not be fetched."
        raise Fault(sentence, detail=str(failed)) from None
    return next(scratch.glob("*.whl"))
