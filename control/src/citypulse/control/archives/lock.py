"""archives.lock: the sha256 of every jar, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from citypulse.control.archives.cache import write_whole
from citypulse.control.faults import Exit, Fault

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")

REMEDY = "If a pom was changed on purpose, control/lock.sh writes the lock anew."


def read(path: Path) -> dict[str, str]:
    """File name (`kafka-3.9.1/lib/x.jar`) to sha256. Raises `Fault` (exit code 2) when it can't be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise Fault(f"{path} is missing: it belongs to the checkout.", Exit.BAD_INPUT) from None
    entries: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in entries:
            raise Fault(
                f"{path}, line {number}: not a sha256, two spaces and a new file name: {line!r}.",
                Exit.BAD_INPUT,
            )
        entries[match[2]] = match[1]
    return entries


def section(entries: Mapping[str, str], component: str) -> dict[str, str]:
    """The entries of one component, such as `kafka-3.9.1`."""
    return {name: digest for name, digest in entries.items() if name.startswith(f"{component}/")}


def text(entries: Mapping[str, str]) -> str:
    """The lock's text, sorted by file name."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(entries.items()))


def write(path: Path, entries: Mapping[str, str]) -> None:
    """Replace the lock."""
    write_whole(path, text(entries))


def check(wanted: Mapping[str, str], found: Mapping[str, str], where: Path) -> None:
    """Raise `Fault` that names the first of the files `found`, kept in `where`, that is not as `wanted`."""
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            raise Fault(f"{name} is in archives.lock but was not fetched. {REMEDY}")
        if name not in wanted:
            raise Fault(f"{name} was fetched but is not in archives.lock. {REMEDY}")
        if wanted[name] != found[name]:
            raise Fault(
                f"{name} has a wrong checksum: {found[name]}, but archives.lock wants {wanted[name]}."
                f" Delete that jar under {where} to fetch it again; if it stays so, do not trust it."
            )
