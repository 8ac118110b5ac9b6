"""A wheel for each pinned requirement: fetched once, or built once from a source distribution, then kept."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from citypulse.control.archives.cache import sha256, short_hash
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.requirements import Requirement
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Fault

EPOCH = {"SOURCE_DATE_EPOCH": "315532800"}
"""1980-01-01, the earliest time that a zip file can hold: what is built twice is the same."""

# What is large in a source distribution are jars, which are compressed already.
_STORED = '--config-settings="--build-option=--compression=stored"'

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FILE = re.compile(r"(?:Downloading|Using cached|Processing) (\S+)")
_BUILDING = re.compile(r"Building wheel for (\S+)")
_WRONG_FILE = re.compile(r"DO NOT MATCH THE HASHES.*? from \S*?([^/\s#]+\.(?:whl|tar\.gz|zip))", re.DOTALL)


def wheels(requirements: Sequence[Requirement], shop: Workshop, task: Task) -> dict[str, Path]:
    """Pin (`name==version`) to wheel in the cache, for each of `requirements`.

    A fetched wheel is checked against the requirement's hashes each time. Where only a source distribution is
    published, pip checks that, and the wheel built from it is checked against the sha256 that was written
    down when it was built. Raises `Fault`, naming the file, where a checksum is wrong.
    """
    found = {requirement: _kept(requirement, shop) for requirement in requirements}
    lacking = [requirement for requirement, path in found.items() if path is None]
    if lacking:
        with shop.cache.scratch("wheels") as scratch:
            for path in _fetch(lacking, scratch, shop, task):
                name = parse_wheel_filename(path.name)[0]
                requirement = next(r for r in lacking if canonicalize_name(r.name) == name)
                found[requirement] = _keep(requirement, path, scratch, shop)
    return {requirement.pin: path for requirement, path in found.items() if path is not None}


def _room(requirement: Requirement, shop: Workshop) -> Path:
    key = short_hash(requirement.line, sys.implementation.cache_tag)
    return shop.cache.wheels / f"{requirement.name}-{requirement.version}-{key}"


def _kept(requirement: Requirement, shop: Workshop) -> Path | None:
    room = _room(requirement, shop)
    kept = list(room.glob("*.whl"))
    if len(kept) != 1:
        return None
    digest = sha256(kept[0])
    recorded = room / "sha256"
    if digest in requirement.hashes or (recorded.exists() and recorded.read_text() == digest):
        return kept[0]
    return None


def _keep(requirement: Requirement, wheel: Path, scratch: Path, shop: Workshop) -> Path:
    room = _room(requirement, shop)
    made = scratch / room.name
    made.mkdir()
    (made / "sha256").write_text(sha256(wheel))
    wheel.rename(made / wheel.name)
    room.parent.mkdir(parents=True, exist_ok=True)
    if room.exists():
        room.rename(scratch / f"{room.name}.damaged")
    made.rename(room)
    return room / wheel.name


def _fetch(lacking: Sequence[Requirement], scratch: Path, shop: Workshop, task: Task) -> list[Path]:
    listed = scratch / "requirements.txt"
    listed.write_text("".join(f"{requirement.line} {_STORED}\n" for requirement in lacking))
    output = scratch / "output"
    file = ""
    count = 0

    def watch(line: str) -> None:
        nonlocal file, count
        if progress := _PROGRESS.match(line):
            done, total = float(progress[1]), float(progress[2])
            task.show(f"{count} of {len(lacking)}: {file}, {size(done)} of {size(total)}", done, total)
        elif named := _FILE.search(line):
            file = named[1].rsplit("/", 1)[-1].removesuffix(".metadata")
        elif line.startswith("Collecting "):
            count += 1
        elif building := _BUILDING.search(line):
            task.show(f"building a wheel of {building[1]}")

    task.show(f"pip fetches {len(lacking)} wheels")
    try:
        shop.children.run(
            [
                *(sys.executable, "-m", "pip", "wheel", "--no-input", "--disable-pip-version-check"),
                *("--no-cache-dir", "--no-deps", "--no-build-isolation", "--require-hashes"),
                *("--progress-bar", "raw", "--wheel-dir", output, "--requirement", listed),
            ],
            watch,
            env={**EPOCH, "TMPDIR": str(scratch)},
        )
    except FailedError as failed:
        wrong = _WRONG_FILE.search(str(failed))
        if wrong:
            sentence = f"{wrong[1]} has a wrong checksum: the requirements.txt that pins it wants another."
        else:
            sentence = f"pip could not fetch {', '.join(requirement.pin for requirement in lacking)}."
        raise Fault(sentence, detail=str(failed)) from None
    return list(output.glob("*.whl"))
