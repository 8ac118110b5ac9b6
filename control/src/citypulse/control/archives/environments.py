"""Archives of services: the wheels that one needs, and how to install them without an index."""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from citypulse.control.archives import own, requirements, tars
from citypulse.control.archives.cache import sha256, short_hash
from citypulse.control.archives.manifest import Archive
from citypulse.control.archives.processes import FailedError
from citypulse.control.archives.progress import Task, size
from citypulse.control.archives.requirements import Requirement
from citypulse.control.archives.wheels import wheels as wheels_of
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Fault

SERVICES = ("producer", "replay", "spark", "board")
"""The services that are installed on hosts."""

_LAYOUT = "1"
"""Changes with the form of the tar, so that none of another form is taken from a cache."""


def archive(service: str, shop: Workshop, task: Task) -> Archive:
    """The tar with which a host installs `service`, made unless the cache already has it.

    It holds `wheels/` and `requirements.txt`, for
    `pip install --no-index --find-links wheels --require-hashes -r requirements.txt`.
    """
    component = f"python-{service}"
    pinned = shop.service(service) / "requirements.txt"
    third_party = requirements.read(pinned)
    ours = own.closure(service, shop)
    key = short_hash(
        *(_LAYOUT, sys.implementation.cache_tag, sysconfig.get_platform()),
        *(importlib.metadata.version(builder) for builder in ("hatchling", "setuptools", "wheel")),
        *(requirement.line for requirement in third_party),
        *(distribution.pin for distribution in ours),
    )
    tar = shop.cache.archives / f"{component}-{key}.tar"
    digest = tars.intact(tar)
    if digest is not None:
        task.end(f"{len(third_party) + len(ours)} wheels, {size(tar.stat().st_size)}, in the cache")
    else:
        with shop.cache.scratch(component) as scratch:
            wheels = wheels_of(third_party, shop, task)
            for distribution in ours:
                task.show(f"building {distribution.name}")
                wheels[distribution.pin] = own.build(distribution, scratch, shop)
            digest = _pack(wheels, tar, scratch, shop, task)
        task.end(f"{len(wheels)} wheels, {size(tar.stat().st_size)}")
    tars.keep_newest(tar, component)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Archive(component=component, version=key, path=str(tar), sha256=digest, python=python)


def install(pinned: Path, python: Path, shop: Workshop, task: Task) -> None:
    """Install a pinned requirement file into the environment of `python`, from wheels kept in the cache."""
    with shop.cache.scratch("install") as scratch:
        wheels = wheels_of(requirements.read(pinned), shop, task)
        room, listed = _shelf(wheels, scratch)
        task.show("installing")
        try:
            shop.children.run([*_pip_install(python, room, listed), "--no-compile"], lambda line: None)
        except FailedError as failed:
            raise Fault(f"{pinned.name} could not be installed.", detail=str(failed)) from None
    task.end(f"{len(wheels)} wheels installed")


def _pack(wheels: Mapping[str, Path], tar: Path, scratch: Path, shop: Workshop, task: Task) -> str:
    room, listed = _shelf(wheels, scratch)
    task.show("checking that it installs")
    try:
        shop.children.run(
            [*_pip_install(Path(sys.executable), room, listed), "--dry-run", "--ignore-installed"],
            lambda line: None,
        )
    except FailedError as failed:
        raise Fault(
            f"{tar.stem} would not install: its requirements.txt lacks what its pyproject.toml asks for.",
            detail=str(failed),
        ) from None
    task.show("packing")
    files = {f"wheels/{path.name}": path for path in wheels.values()}
    return tars.pack({**files, "requirements.txt": listed}, tar, scratch)


def _shelf(wheels: Mapping[str, Path], scratch: Path) -> tuple[Path, Path]:
    # One directory with all wheels, and a requirements.txt that allows these files alone.
    room = scratch / "room"
    room.mkdir()
    lines = []
    for pin, path in sorted(wheels.items()):
        name, version = pin.split("==")
        lines.append(Requirement(name=name, version=version, hashes=(sha256(path),)).line)
        (room / path.name).symlink_to(path)
    listed = scratch / "requirements.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    return room, listed


def _pip_install(python: Path, room: Path, listed: Path) -> list[str | Path]:
    return [
        *(python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-cache-dir"),
        *("--progress-bar", "off", "--no-index", "--find-links", room),
        *("--require-hashes", "--requirement", listed),
    ]
