"""The project's own distributions as wheels, built offline and the same to the byte for the same source."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from packaging.requirements import Requirement as Parsed

from citypulse.control.archives.cache import short_hash
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.wheels import EPOCH
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Exit, Fault

_PREFIX = "citypulse-"


class Distribution(msgspec.Struct, frozen=True):
    """One of services/*: its files, and a version that changes with any of them."""

    name: str
    version: str
    """The version of its pyproject.toml, and behind a + the hash of its source: pip sees every change."""
    files: dict[str, bytes]
    """What its wheel is built from, by path."""

    @property
    def pin(self) -> str:
        """`name==version`."""
        return f"{self.name}=={self.version}"


def closure(service: str, shop: Workshop) -> list[Distribution]:
    """The distribution of services/<service> and all of ours that it depends on, by name."""
    found: dict[str, Distribution] = {}
    pending = [service]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        project, found[name] = _read(shop.service(name))
        dependencies = (Parsed(line).name for line in project.get("dependencies", []))
        pending += [d.removeprefix(_PREFIX) for d in dependencies if d.startswith(_PREFIX)]
    return [found[name] for name in sorted(found)]


def _read(directory: Path) -> tuple[dict[str, Any], Distribution]:
    pyproject = directory / "pyproject.toml"
    try:
        project: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        name, version = str(project["name"]), str(project["version"])
    except (FileNotFoundError, KeyError, tomllib.TOMLDecodeError) as error:
        raise Fault(f"{pyproject} does not describe a distribution: {error}.", Exit.BAD_INPUT) from error
    paths = [pyproject, *directory.glob("*.md"), *(directory / "src").rglob("*")]
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(paths)
        if path.is_file() and path.suffix != ".pyc"
    }
    digest = short_hash(*(part for path, data in files.items() for part in (path, data)))
    files["pyproject.toml"] = re.sub(
        rb'(?m)^version = ".*"$', f'version = "{version}+src{digest}"'.encode(), files["pyproject.toml"]
    )
    return project, Distribution(name=name, version=f"{version}+src{digest}", files=files)


def build(distribution: Distribution, scratch: Path, shop: Workshop) -> Path:
    """Build its wheel in a new directory of `scratch`."""
    source = scratch / distribution.name
    for path, data in distribution.files.items():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    try:
        shop.children.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", source / "dist"],
            lambda line: None,
            cwd=source,
            env=EPOCH,
        )
    except FailedError as failed:
        raise Fault(f"The wheel of {distribution.name} could not be built.", detail=str(failed)) from None
    return next((source / "dist").glob("*.whl"))
