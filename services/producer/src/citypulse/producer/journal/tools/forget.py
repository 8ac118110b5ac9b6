"""Removes posts from all that a journal keeps, beside a running producer too.

A record that is forgotten stays in the sequence as a tombstone, without payload. Its segment is written anew
and takes the old one's name. The newest segment is the writer's alone: a running producer is asked to begin
another one first.
"""

import time
from pathlib import Path

import msgspec

from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import cursor, files, lock, segment, setaside
from citypulse.producer.journal.segment import Stretch
from citypulse.producer.journal.setaside import NAMES
from citypulse.producer.journal.tools import verify
from citypulse.producer.journal.tools.verify import Content
from citypulse.producer.journal.tools.whose import Wanted
from citypulse.producer.journal.upkeep import ROTATE

ROTATE_SECONDS = 30.0
"""How long a running producer is given to begin a new segment."""


class Forgotten(msgspec.Struct):
    """What was removed."""

    records: int = 0
    """Of the journal's segments."""
    unsent: int = 0
    """Of those: not in Kafka yet. They will not be counted, unless they are on their way already."""
    segments: int = 0
    unsound: int = 0
    """Stretches of segments that were no record, and named the id."""
    set_aside: dict[str, int] = {}
    """Entries, by file."""


def forget(
    directory: Path, wanted: Wanted, dry_run: bool, progress: verify.Progress = lambda *_: None
) -> Forgotten:
    """Remove posts from segments, quarantine, dead letters and what was set aside.

    What a running producer receives from now on is not looked at.

    Args:
        directory: the journal's.
        wanted: what to remove.
        dry_run: only look.
        progress: told of each segment.

    Raises:
        BadInputError: the running producer does not begin a new segment; or another format.
        ShortError: the disk is full; files that were not rewritten are as they were.
    """
    forgotten = Forgotten()
    held = None if dry_run or lock.holder(directory) else lock.acquire(directory)
    try:
        for _, path in segment.paths(directory):
            _learn(path, wanted)
        paths = [path for _, path in segment.paths(directory)]
        if not dry_run and held is None and paths:
            if _matches(paths[-1], wanted):
                _rotate(directory)
                paths = [path for _, path in segment.paths(directory)]
            del paths[-1]
        acknowledged = cursor.load(directory) or 0
        for number, path in enumerate(paths, 1):
            progress(number, len(paths))
            _scrub(path, wanted, acknowledged, forgotten, dry_run)
        for name in NAMES:
            forgotten.set_aside[name] = _remove(directory, name, wanted, dry_run)
    except OSError as error:
        if files.is_short(error):
            raise ShortError(
                f"journal.dir = {directory} has no room ({error.strerror}) to rewrite all of it: free as much"
                " as its largest segment has, and run it again"
            ) from error
        raise
    finally:
        if held is not None:
            files.close(held)
    return forgotten


def _learn(path: Path, wanted: Wanted) -> None:
    content = _content(path)
    for record in content.records if content else ():
        wanted.learn(record.payload)


def _matches(path: Path, wanted: Wanted) -> bool:
    content = _content(path)
    return content is not None and any(_is_wanted(content, stretch, wanted) for stretch in content.stretches)


def _content(path: Path) -> Content | None:
    try:
        return verify.take_apart(int(path.stem), path)
    except FileNotFoundError:
        # Pruned meanwhile.
        return None


def _is_wanted(content: Content, stretch: Stretch, wanted: Wanted) -> bool:
    if stretch.record:
        return wanted.matches(stretch.record.payload)
    return wanted.matches(content.data[stretch.start : stretch.end])


def _rotate(directory: Path) -> None:
    """Have the running producer begin a new segment."""
    request = directory / ROTATE
    if not files.exists(request):
        files.close(files.create(request, b""))
    until = time.monotonic() + ROTATE_SECONDS
    while files.exists(request):
        if time.monotonic() > until:
            files.delete(request)
            raise BadInputError(
                f"the producer that writes journal.dir = {directory} (process {lock.holder(directory)}) does"
                " not let go of its newest segment: stop it first"
            )
        time.sleep(0.05)


def _scrub(path: Path, wanted: Wanted, acknowledged: int, forgotten: Forgotten, dry_run: bool) -> None:
    with files.locked(setaside.changes_lock(path.parent)):
        content = _content(path)
        if content is None:
            return
        parts = [content.data[: segment.HEADER_SIZE if content.header else 0]]
        changed = False
        for stretch in content.stretches:
            start, end, record = stretch
            data = content.data[start:end]
            if _is_wanted(content, stretch, wanted):
                changed = True
                if record:
                    forgotten.records += 1
                    forgotten.unsent += record.sequence >= acknowledged
                    data = segment.encode(record.sequence, record.at, b"")
                else:
                    forgotten.unsound += 1
                    data = bytes(len(data))
            parts.append(data)
        forgotten.segments += changed
        if changed and not dry_run:
            files.replace(path, b"".join(parts), files.modified(path))


def _remove(directory: Path, name: str, wanted: Wanted, dry_run: bool) -> int:
    def unwanted(entry: setaside.Entry) -> bool:
        return wanted.matches(entry.content())

    if dry_run:
        return sum(map(unwanted, setaside.entries(directory, name)))
    return setaside.remove(directory, name, unwanted)
