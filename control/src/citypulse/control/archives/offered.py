"""Archives of Grafana and its plugin, which no registry has: somebody puts the vendor's files into the cache.

`offered/` in the cache takes Grafana's Linux archive (.tar.gz) or Debian package (.deb), and the plugin's
.zip, under the names that their vendors give them. A file `<name>.sha256` beside one is held against it.
Where apt offers the pinned Grafana, that need not be put there.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from citypulse.control.archives import debian, tars
from citypulse.control.archives.cache import sha256, short_hash
from citypulse.control.archives.manifest import Archive
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Exit, Fault
from citypulse.control.variables import user_value

PLUGIN = "hadesarchitect-cassandra-datasource"
GRAFANA, DATASOURCE = "grafana", "datasource-cassandra"
"""Their components in the manifest."""

_GRAFANA = ("grafana[-_]*", (".tar.gz", ".deb"))
_PLUGIN = ("*cassandra-datasource-*", (".zip",))
"""How the vendors' files are named."""

_IN_DEB = Path("usr") / "share" / "grafana"
_SAFE = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, FailedError)
"""What a file raises that did not come whole."""

Make = Callable[[Task], Archive | None]


class Pinned(NamedTuple):
    """The versions that the role installs."""

    grafana: str
    plugin: str


def pinned(checkout: Path) -> Pinned:
    """As the role's defaults have them, or the file that VARS names."""
    defaults = checkout / "infra" / "ansible" / "roles" / "grafana" / "defaults" / "main.yml"
    known = yaml.safe_load(defaults.read_text())
    grafana, plugin = (user_value(key) or known[key] for key in ("grafana_version", "grafana_plugin_version"))
    return Pinned(grafana, plugin)


def makes(shop: Workshop) -> dict[str, Make]:
    """How each component is made; nothing where nobody has put anything, so that it costs nobody anything."""
    plugin = _offers(shop, *_PLUGIN)
    # Where the plugin is, apt may have Grafana; without the plugin it would not be run.
    found: dict[str, Make] = {GRAFANA: partial(_grafana, shop)} if plugin or _offers(shop, *_GRAFANA) else {}
    return found | ({DATASOURCE: partial(_plugin, shop)} if plugin else {})


def _grafana(shop: Workshop, task: Task) -> Archive | None:
    version = pinned(shop.checkout).grafana
    file = _offer(shop, *_GRAFANA, version)
    if file is not None:
        return _archive(GRAFANA, version, sha256(file), lambda _: file, _unpacked_grafana, shop, task)
    digest = _in_apt(version, shop)
    if digest is None:
        task.end(f"{version} is not there, nor does apt offer it")
        return None
    return _archive(
        GRAFANA, version, digest, partial(_from_apt, version, shop), _unpacked_grafana, shop, task
    )


def _plugin(shop: Workshop, task: Task) -> Archive | None:
    version = pinned(shop.checkout).plugin
    file = _offer(shop, *_PLUGIN, version)
    if file is None:
        return None
    return _archive(DATASOURCE, version, sha256(file), lambda _: file, _unpacked_plugin, shop, task)


def _offers(shop: Workshop, pattern: str, endings: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in shop.cache.offered.glob(pattern) if path.name.endswith(endings))


def _offer(shop: Workshop, pattern: str, endings: tuple[str, ...], version: str) -> Path | None:
    """The vendor's file; None where there is none. Raises `Fault` for one of another version or checksum."""
    offers = _offers(shop, pattern, endings)
    wanted = re.compile(rf"[-_]v?{re.escape(version)}(?![0-9]|\.[0-9])")
    file = next((path for path in offers if wanted.search(path.name)), None)
    if file is None and offers:
        raise Fault(
            f"{offers[0]} is another version than {version}, which is pinned: put that one there, or none.",
            Exit.BAD_INPUT,
        )
    if file is not None:
        _check(file)
    return file


def _check(file: Path) -> None:
    beside = file.with_name(f"{file.name}.sha256")
    if not beside.exists():
        return
    wanted = (beside.read_text().split() or [""])[0].lower()
    found = sha256(file)
    if found != wanted:
        raise Fault(
            f"{file} has the sha256 {found}, not {wanted} as {beside.name} says: fetch both again.",
            Exit.BAD_INPUT,
        )


def _in_apt(version: str, shop: Workshop) -> str | None:
    """The sha256 of the vendor's package, where this machine's own apt offers it."""
    found: list[str] = []

    def watch(line: str) -> None:
        match = debian.OFFER.match(line)
        if match and match[1] == GRAFANA:
            found.append(match[3])

    try:
        shop.children.run(["apt-get", "-q", "--print-uris", "download", f"{GRAFANA}={version}"], watch)
    except (FileNotFoundError, FailedError):
        return None
    return found[0] if found else None


def _from_apt(version: str, shop: Workshop, scratch: Path) -> Path:
    """The package's file; nothing is installed, so nobody must be root. apt checks it."""
    try:
        shop.children.run(["apt-get", "-q", "download", f"{GRAFANA}={version}"], lambda line: None, scratch)
    except FailedError as failed:
        raise Fault(
            f"apt offers grafana {version} and cannot fetch it: put it into {shop.cache.offered}, or take the"
            " plugin away from there.",
            detail=str(failed),
        ) from None
    return next(scratch.glob("*.deb"))


def _archive(
    component: str,
    version: str,
    digest_of_file: str,
    fetch: Callable[[Path], Path],
    unpacked: Callable[[Path, Path, str, Workshop], Mapping[str, Path]],
    shop: Workshop,
    task: Task,
) -> Archive:
    """The tar of what a vendor's file holds, made unless the cache already has it."""
    tar = shop.cache.archives / f"{component}-{short_hash(version, digest_of_file)}.tar"
    digest = tars.intact(tar)
    if digest is not None:
        task.end(f"{version}, {size(tar.stat().st_size)}, in the cache")
    else:
        with shop.cache.scratch(component) as scratch:
            task.show("fetching")
            file = fetch(scratch)
            task.show(f"unpacking {file.name}")
            try:
                files = unpacked(file, scratch / "content", version, shop)
            except _BROKEN as error:
                raise Fault(f"{file} cannot be unpacked ({error}): fetch it again.", Exit.BAD_INPUT) from None
            digest = tars.pack({f"{component}/{name}": path for name, path in files.items()}, tar, scratch)
        task.end(f"{version}, {size(tar.stat().st_size)}")
    tars.keep_newest(tar, component)
    return Archive(component=component, version=version, path=str(tar), sha256=digest)


def _unpacked_grafana(file: Path, content: Path, version: str, shop: Workshop) -> Mapping[str, Path]:
    if file.suffix == ".deb":
        shop.children.run(["dpkg-deb", "--extract", file, content], lambda line: None)
        home = content / _IN_DEB
    else:
        with tarfile.open(file, "r:gz") as opened:
            opened.extractall(content, **_SAFE)  # type: ignore[arg-type]  # a dict of keywords  # noqa: S202 - what the vendor packed
        tops = list(content.glob("*"))
        home = tops[0] if len(tops) == 1 else content
    for name in ("bin/grafana", "conf/defaults.ini", "public"):
        if not (home / name).exists():
            raise Fault(f"{file} is no Grafana: {name} is not in it.", Exit.BAD_INPUT)
    told = home / "VERSION"
    if told.exists() and told.read_text().strip() != version:
        raise Fault(f"{file} holds Grafana {told.read_text().strip()}, not {version}.", Exit.BAD_INPUT)
    return _files(home)


def _unpacked_plugin(file: Path, content: Path, version: str, shop: Workshop) -> Mapping[str, Path]:
    with zipfile.ZipFile(file) as opened:
        for entry in opened.infolist():
            written = Path(opened.extract(entry, content))
            # A zip's own modes are not taken over, and the plugin's program must be executable.
            if written.is_file() and entry.external_attr >> 16 & 0o100:
                written.chmod(0o755)
    described = content / PLUGIN / "plugin.json"
    try:
        plugin = json.loads(described.read_text())
        found = f"{plugin['id']} {plugin['info']['version']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fault(f"{file} is no plugin: {PLUGIN}/plugin.json is not in it.", Exit.BAD_INPUT) from error
    if found != f"{PLUGIN} {version}":
        raise Fault(f"{file} holds {found}, not {PLUGIN} {version}.", Exit.BAD_INPUT)
    for program in described.parent.glob("*_linux_*"):
        program.chmod(0o755)
    return _files(content)


def _files(root: Path) -> dict[str, Path]:
    """Name to file; what a link leads to stands in its place."""
    return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
