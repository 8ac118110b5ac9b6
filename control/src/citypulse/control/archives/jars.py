"""Archives of servers: the jars that a Maven pom asks for, each checked against the lock."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sized
from pathlib import Path

from citypulse.control.archives import lock, tars
from citypulse.control.archives.cache import sha256, short_hash
from citypulse.control.archives.manifest import Archive
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Fault

_DOWNLOADED = re.compile(r"Downloaded from .* \(([\d.]+) (B|kB|MB)")
_UNIT = {"B": 1, "kB": 1e3, "MB": 1e6}


def archive(pom: Path, locked: Mapping[str, str], shop: Workshop, task: Task) -> Archive:
    """The tar of the component that `pom` describes, made unless the cache already has it.

    The component is named by the pom's directory (`kafka-3.9.1`); in the tar the jars stand in
    `kafka-3.9.1/lib`. A tar from the cache is compared with the lock as well. Raises `Fault`, naming the jar,
    where something is not as the lock wants it.
    """
    component = pom.parent.name
    name, version = component.rsplit("-", 1)
    wanted = lock.section(locked, component)
    tar = shop.cache.archives / f"{component}-{short_hash(pom.read_bytes(), lock.text(wanted))}.tar"
    digest = tars.intact(tar)
    if digest is not None and tars.contents(tar) == wanted:
        task.end(f"{_jars(wanted)}, {size(tar.stat().st_size)}, in the cache")
    else:
        with shop.cache.scratch(component) as scratch:
            jars = fetch(pom, scratch / "lib", shop, task, len(wanted))
            lock.check(wanted, digests(component, jars), shop.cache.maven_repository)
            digest = tars.pack({f"{component}/lib/{jar.name}": jar for jar in jars}, tar, scratch)
        task.end(f"{_jars(jars)}, {size(tar.stat().st_size)}")
    tars.keep_newest(tar, component)
    return Archive(component=name, version=version, path=str(tar), sha256=digest)


def fetch(
    pom: Path, destination: Path, shop: Workshop, task: Task, expected: int | None = None
) -> list[Path]:
    """Have Maven copy the pom's jars to `destination`, fetching what is not in the cache; the jars, sorted.

    Mirrors and proxies are what the user's Maven settings say. Raises `Fault` with Maven's last lines when it
    fails.
    """
    destination.mkdir()
    fetched = 0
    received = 0.0

    def copied() -> int:
        return sum(1 for _ in destination.iterdir())

    def watch(line: str) -> None:
        nonlocal fetched, received
        downloaded = _DOWNLOADED.search(line)
        if downloaded:
            fetched += 1
            received += float(downloaded[1]) * _UNIT[downloaded[2]]
            task.show(f"Maven: {fetched} files, {size(received)} fetched", copied(), expected)
        elif "Copying " in line:
            task.show(f"{_jars(range(copied()))} copied", copied(), expected)

    task.show("Maven starts")
    try:
        shop.children.run(
            [
                *("mvn", "--batch-mode", "--strict-checksums", "--file", pom),
                f"-Dmaven.repo.local={shop.cache.maven_repository}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={destination}",
            ],
            watch,
            env=_environment(shop),
        )
    except FileNotFoundError:
        raise Fault("mvn is not on the PATH: control/bootstrap.sh installs it.") from None
    except FailedError as failed:
        raise Fault(f"Maven could not fetch the jars of {pom.parent.name}.", detail=str(failed)) from None
    return sorted(destination.glob("*.jar"))


def _environment(shop: Workshop) -> dict[str, str]:
    # So short a run is over before thorough compilation pays.
    options = {"MAVEN_OPTS": os.environ.get("MAVEN_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")}
    return {**options, "JAVA_HOME": shop.java_home} if shop.java_home else options


def digests(component: str, jars: list[Path]) -> dict[str, str]:
    """Name in the archive to sha256."""
    return {f"{component}/lib/{jar.name}": sha256(jar) for jar in jars}


def _jars(several: Sized) -> str:
    return "1 jar" if len(several) == 1 else f"{len(several)} jars"
