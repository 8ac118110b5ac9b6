"""Pinned, hashed requirement files: the lock of what comes from a Python index."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Parsed

from citypulse.control.faults import Exit, Fault

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Requirement(msgspec.Struct, frozen=True):
    """One distribution at one version, in the files that `hashes` allow."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of each file of that version, hexadecimal, sorted."""

    @property
    def pin(self) -> str:
        """`name==version`."""
        return f"{self.name}=={self.version}"

    @property
    def line(self) -> str:
        """The requirement as a line of a requirements file."""
        return " ".join([self.pin, *(f"--hash=sha256:{digest}" for digest in self.hashes)])


def read(path: Path) -> list[Requirement]:
    """The requirements that apply to this Python, by name.

    Raises `Fault` (exit code 2) for a missing file, and for a line that is not pinned and hashed: such a line
    could install something else tomorrow.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Fault(f"{path} is missing: control/lock.sh writes it.", Exit.BAD_INPUT) from None
    without_comments = re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)
    lines = without_comments.replace("\\\n", " ").splitlines()
    found = [requirement for line in lines if line.strip() for requirement in _parse(line.strip(), path)]
    return sorted(found, key=lambda requirement: requirement.name)


def _parse(line: str, path: Path) -> list[Requirement]:
    hashes = tuple(sorted(_HASH.findall(line)))
    try:
        parsed = Parsed(_HASH.sub("", line).strip())
    except InvalidRequirement:
        raise Fault(f"{path}: {line!r} is not a requirement.", Exit.BAD_INPUT) from None
    specifiers = list(parsed.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or not hashes:
        raise Fault(f"{path}: {parsed.name} is not pinned with == and a sha256.", Exit.BAD_INPUT)
    if not _applies(parsed.marker):
        return []
    return [Requirement(name=parsed.name, version=specifiers[0].version, hashes=hashes)]


def _applies(marker: Marker | None) -> bool:
    return marker is None or marker.evaluate()
