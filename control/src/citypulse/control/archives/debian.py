"""Archives of Debian packages: some files of each, for hosts on which nothing may be installed.

apt checks what it fetches: Debian signs the lists, and they name every package's sha256. The lists lie in the
cache, so that nobody has to be root and the machine's own are left alone. They are fetched again only when a
package that they name is gone, so a clone keeps the versions that the cache has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from citypulse.control.archives import tars
from citypulse.control.archives.cache import short_hash
from citypulse.control.archives.manifest import Archive
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Exit, Fault

OFFER = re.compile(r"^'[^']+' (\S+)_([^_\s]+)_[a-z0-9]+\.deb \d+ SHA256:([0-9a-f]{64})$")
"""A line in which apt offers a package: its name, version, sha256."""

_STARTED_IN = "/proc/self/cwd"
"""Linux's name for the directory that a process works in."""


class Content(NamedTuple):
    """What an archive holds."""

    package: str
    files: tuple[str, ...]
    """Paths in the package."""
    built_in: tuple[str, ...] = ()
    """Directories that are compiled into its programs, which find there what the package has brought."""


class Offer(NamedTuple):
    """A package as the lists have it."""

    version: str
    sha256: str


def contents(listed: Path) -> dict[str, Content]:
    """What each archive holds, by component, from archives/debian.txt; nothing where there is none."""
    if not listed.exists():
        return {}
    lines = (line.split() for line in listed.read_text().splitlines() if line and not line.startswith("#"))
    return {component: _content(package, paths) for component, package, *paths in lines}


def _content(package: str, paths: Sequence[str]) -> Content:
    absolute = [path.startswith("/") for path in paths]
    files = tuple(path for path, there in zip(paths, absolute, strict=True) if not there)
    return Content(package, files, tuple(path for path, there in zip(paths, absolute, strict=True) if there))


def archive(component: str, content: Content, shop: Workshop, task: Task) -> Archive:
    """The tar of a component, with its files in `bin`, made unless the cache already has it.

    Raises `Fault`: exit code 2 where there is no apt, 1 where the package cannot be had.
    """
    package = content.package
    lists = _Lists(shop)
    try:
        offer = lists.offer(package)
        if offer is None:
            task.show("reading Debian's lists")
            lists.fetch()
            offer = lists.offer(package)
        if offer is None:
            raise Fault(f"{package} is in none of the archives that this machine's apt knows.")
        made_of = short_hash(offer.sha256, *content.files, *content.built_in)
        tar = shop.cache.archives / f"{component}-{made_of}.tar"
        digest = tars.intact(tar)
        if digest is not None:
            task.end(f"{offer.version}, {size(tar.stat().st_size)}, in the cache")
        else:
            with shop.cache.scratch(component) as scratch:
                files = _fetch(content, scratch, lists, shop, task)
                for path in files:
                    _relocate(path, content.built_in)
                packed = {f"{component}/bin/{path.name}": path for path in files}
                digest = tars.pack(packed, tar, scratch)
            task.end(f"{offer.version}, {size(tar.stat().st_size)}")
    except FileNotFoundError as error:
        raise Fault(
            f"{error.filename} is not on the PATH, and {package} comes from Debian's archive: use a Debian.",
            Exit.BAD_INPUT,
        ) from None
    except FailedError as failed:
        raise Fault(f"Debian's package {package} could not be fetched.", detail=str(failed)) from None
    tars.keep_newest(tar, component)
    return Archive(component=component, version=offer.version, path=str(tar), sha256=digest)


def _fetch(content: Content, scratch: Path, lists: _Lists, shop: Workshop, task: Task) -> list[Path]:
    task.show("fetching")
    try:
        lists.download(content.package, scratch)
    except FailedError:
        # The archive keeps only the newest version of a package.
        task.show("reading Debian's lists")
        lists.fetch()
        lists.download(content.package, scratch)
    (deb,) = scratch.glob("*.deb")
    shop.children.run(["dpkg-deb", "--extract", deb, scratch / "content"], lambda line: None)
    return [scratch / "content" / name for name in content.files]


def _relocate(path: Path, built_in: Sequence[str]) -> None:
    """Have a program look into the directory that it is started in, and not into those compiled into it.

    Nothing has to be written outside an installation then. A program knows its text by place and length, so
    what stands there instead is as long.
    """
    content = path.read_bytes()
    for directory in built_in:
        content = content.replace(directory.encode(), _STARTED_IN.ljust(len(directory), "/").encode())
    if built_in:
        path.write_bytes(content)


class _Lists:
    """What the archives of this machine's apt offer."""

    def __init__(self, shop: Workshop) -> None:
        self._children = shop.children
        root = shop.cache.root / "apt"
        for directory in (root / "lists" / "partial", root / "archives" / "partial"):
            directory.mkdir(parents=True, exist_ok=True)
        self._options = [
            *("-q", "-o", f"Dir::State::Lists={root / 'lists'}", "-o", f"Dir::Cache={root}"),
            # It would otherwise give up root's rights, and then not be able to write here.
            *("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"),
            # Translations of descriptions are half of the lists.
            *("-o", "Acquire::Languages=none"),
        ]

    def offer(self, package: str) -> Offer | None:
        """The package as the lists have it; None where they do not."""
        found: list[Offer] = []

        def watch(line: str) -> None:
            match = OFFER.match(line)
            if match and match[1] == package:
                found.append(Offer(match[2], match[3]))

        try:
            self._apt(["--print-uris", "download", package], watch)
        except FailedError:
            return None
        return found[0] if found else None

    def fetch(self) -> None:
        """Read the lists anew."""
        self._apt(["update"])

    def download(self, package: str, directory: Path) -> None:
        """Have the package's file in a directory."""
        self._apt(["download", package], directory=directory)

    def _apt(
        self,
        arguments: Sequence[str],
        watch: Callable[[str], None] = lambda line: None,
        directory: Path | None = None,
    ) -> None:
        self._children.run(["apt-get", *self._options, *arguments], watch, directory)
