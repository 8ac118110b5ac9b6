"""Makes a journal sound again, without losing anything that is in it.

What is no record is set aside in the quarantine, with the sequences that are missing for it, and then taken
out of its segment. A cursor that cannot be used begins again at the oldest record: copies, not a loss.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import cursor, files, lock, segment, setaside
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.journal.tools import verify
from citypulse.producer.journal.tools.verify import Content


class _Unsound(NamedTuple):
    offset: int
    data: bytes
    missing: tuple[int, int] | None
    """First and last sequence that are not there for it, where that is known."""


def repair(directory: Path, dry_run: bool) -> Iterator[str]:
    """Repair a journal; each thing that is done is said in a line once it is on disk.

    Args:
        directory: the journal's.
        dry_run: only say what would be done.

    Raises:
        BadInputError: a producer writes it, or it is of another format.
        ShortError: the disk is full; what was not said is as it was.
    """
    if dry_run:
        if process := lock.holder(directory):
            raise BadInputError(
                f"journal.dir = {directory} is in use by process {process}: stop that producer first"
            )
        yield from _repair(directory, dry_run)
        return
    descriptor = lock.acquire(directory)
    try:
        yield from _repair(directory, dry_run)
    except OSError as error:
        if files.is_short(error):
            raise ShortError(
                f"journal.dir = {directory} has no room ({error.strerror}): free some"
            ) from error
        raise
    finally:
        files.close(descriptor)


def _repair(directory: Path, dry_run: bool) -> Iterator[str]:
    for name in sorted(files.names(directory)):
        if name.endswith(".tmp"):
            if not dry_run:
                files.delete(directory / name)
            yield f"{name}: deleted, a crash had left it"
    number = segment.journal_number(directory)
    end = 0
    listed = segment.paths(directory)
    for first, path in listed:
        content = verify.take_apart(first, path)
        yield from _mend(content, first, number, end or first, dry_run)
        end = max([end, first, *(record.sequence + 1 for record in content.records)])
    if listed:
        yield from _mend_cursor(directory, number, end, dry_run)


def _mend(content: Content, first: int, number: int, expected: int, dry_run: bool) -> Iterator[str]:
    path, data = content.path, content.data
    sound, unsound = _part(content, expected)
    head = data[: segment.HEADER_SIZE]
    if content.header is None or content.header[:2] not in ((0, first), (number, first)):
        created = content.header.created if content.header else int(files.modified(path) * 1000)
        head = segment.header(first, created, number)
    aside = SetAside(path.parent)
    for offset, lost, missing in unsound:
        if not dry_run:
            aside.corrupt(path.name, offset, lost, "set aside by repair", missing)
        what = f"{len(lost)} bytes set aside in {setaside.QUARANTINE}" if lost else "noted there"
        gap = f", records {missing[0]} to {missing[1]} are not there" if missing else ""
        yield f"{path.name} at {offset}: {what}{gap}"
    if head + sound != data:
        if not dry_run:
            files.replace(path, head + sound, files.modified(path))
        yield f"{path.name}: written anew{'' if data.startswith(head) else ', with a new header'}"


def _part(content: Content, expected: int) -> tuple[bytes, list[_Unsound]]:
    """The records that follow each other, and what is none of them or is missing."""
    directory = content.path.parent
    sound: list[bytes] = []
    unsound: list[_Unsound] = []
    waiting: list[_Unsound] = []
    for stretch in content.stretches:
        data = content.data[stretch.start : stretch.end]
        if stretch.record is None or stretch.record.sequence < expected:
            if not content.is_header(stretch):
                waiting.append(_Unsound(stretch.start, data, None))
            continue
        missing = (expected, stretch.record.sequence - 1)
        if missing[0] <= missing[1] and not verify.is_explained(directory, *missing):
            waiting = waiting or [_Unsound(stretch.start, b"", None)]
            waiting = [item._replace(missing=missing) for item in waiting]
        unsound += waiting
        waiting = []
        sound.append(data)
        expected = stretch.record.sequence + 1
    return b"".join(sound), unsound + waiting


def _mend_cursor(directory: Path, number: int, end: int, dry_run: bool) -> Iterator[str]:
    state = verify.cursor_state(directory, end)
    if state == "ahead":
        sequence = cursor.load(directory) or end
        if not dry_run:
            head = segment.header(sequence, time.time_ns() // 1_000_000, number)
            files.close(files.create(directory / segment.name(sequence), head))
        yield f"{segment.name(sequence)}: begun, where the cursor stands"
    elif state != "well":
        oldest = segment.first_sequence(directory)
        if not dry_run and not cursor.store(directory, oldest):
            raise ShortError(f"journal.dir = {directory} has no room for a cursor: free some")
        yield f"cursor: set to {oldest}, the oldest record that is kept"
