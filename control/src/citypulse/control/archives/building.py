"""All archives at once: servers and services side by side, the first fault ends it all."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from rich.progress import Progress

from citypulse.control.archives import cache, debian, environments, jars, lock, manifest, offered
from citypulse.control.archives.manifest import Archive
from citypulse.control.archives.processes import Children
from citypulse.control.archives.progress import Task, display
from citypulse.control.archives.workshop import Workshop
from citypulse.control.faults import Exit, Fault
from citypulse.control.steps import console

Make = offered.Make


def build(checkout: Path, home: Path, cache_root: Path) -> list[Archive]:
    """Make every archive that `checkout` describes, in the cache, and list them in `home`/archives.json.

    Every jar is checked against archives/archives.lock and every wheel against its service's requirements;
    what the cache already has is checked too. Raises `Fault`: exit code 1 for a wrong checksum (the file is
    named) or a failed download, 2 for a checkout that lacks a file, 4 for a full disk.
    """
    with _workshop(checkout, home, cache_root) as shop:
        locked = lock.read(shop.lock_file)
        servers: dict[str, Make] = {
            pom.parent.name: partial(jars.archive, pom, locked, shop) for pom in shop.poms
        }
        services: dict[str, Make] = {
            f"python-{name}": partial(environments.archive, name, shop) for name in environments.SERVICES
        }
        packages: dict[str, Make] = {
            name: partial(debian.archive, name, content, shop)
            for name, content in debian.contents(shop.debian_file).items()
        } | offered.makes(shop)
        # Lanes: neither Maven's repository nor apt's lists may be written twice at once, and all wait for the
        # network.
        archives = _side_by_side([servers, services, packages], shop.children)
    manifest.write(home, archives)
    return archives


def write_lock(checkout: Path, home: Path, cache_root: Path) -> int:
    """Fetch every server's jars and write archives/archives.lock from what came; the number of jars."""
    with _workshop(checkout, home, cache_root) as shop, display() as bars:
        found: dict[str, str] = {}
        for pom in shop.poms:
            component = pom.parent.name
            task = Task(component, bars)
            task.begin()
            with shop.cache.scratch(component) as scratch:
                found |= jars.digests(component, jars.fetch(pom, scratch / "lib", shop, task))
            task.end("read")
        lock.write(shop.lock_file, found)
        return len(found)


def install(pinned: Path, python: Path, home: Path, cache_root: Path) -> None:
    """Install the pinned requirement file `pinned` into the virtual environment that `python` belongs to.

    Its wheels come from the cache, which fetches or builds what it lacks. Raises `Fault` as `build` does.
    """
    with _workshop(pinned.parent, home, cache_root) as shop, display() as bars:
        task = Task(pinned.name, bars)
        task.begin()
        environments.install(pinned, python, shop, task)


@contextmanager
def _workshop(checkout: Path, home: Path, cache_root: Path) -> Iterator[Workshop]:
    named = home / "java_home"
    java_home = named.read_text().strip() if named.exists() else None
    children = Children()
    try:
        with _terminated_like_interrupted(), cache.exclusive(cache_root, console.print) as held:
            yield Workshop(checkout=checkout, cache=held, children=children, java_home=java_home)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Fault(
            f"The disk of {cache_root} is full: free some space and run the same command again.", Exit.SHORT
        ) from error
    finally:
        children.stop()


def _side_by_side(lanes: Sequence[dict[str, Make]], children: Children) -> list[Archive]:
    with display() as bars, ThreadPoolExecutor(max_workers=len(lanes)) as pool:
        running: list[Future[list[Archive]]] = [pool.submit(_one_by_one, lane, bars) for lane in lanes]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
        except BaseException:
            children.stop()
            raise
        failed = next((error for error in (future.exception() for future in done) if error), None)
        if failed is not None:
            children.stop()
            raise failed
        return [archive for future in running for archive in future.result()]


def _one_by_one(lane: dict[str, Make], bars: Progress | None) -> list[Archive]:
    archives = []
    for name, make in lane.items():
        task = Task(name, bars)
        task.begin()
        made = make(task)
        if made is not None:
            archives.append(made)
    return archives


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
