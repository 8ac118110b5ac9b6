"""Is a journal sound? Reads all of it, and says of each fault where it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from citypulse.producer.journal import cursor, files, lock, segment, setaside
from citypulse.producer.journal.segment import Record, Stretch

CursorState = Literal["well", "none", "unsound", "foreign", "ahead"]

CURSOR_FAULTS: dict[CursorState, str] = {
    "unsound": "the cursor is unsound: what is kept is sent again",
    "foreign": "the cursor is of another journal: what is kept is sent again",
    "ahead": "the cursor is beyond the journal's last record",
}
"""That there is none is no fault: nothing was acknowledged yet."""

Progress = Callable[[int, int], None]
"""Called with the number of the segment that is begun, and how many there are."""

_AGAIN_SECONDS = 0.2


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    segment: str
    """Name of the file."""
    offset: int
    """In it, in bytes."""
    fault: str


class Verdict(msgspec.Struct):
    """What reading all of a journal has shown."""

    segments: int
    records: int
    tombstones: int
    """Of the records: what they held was forgotten on request."""
    bytes: int
    findings: list[Finding]


class Content(NamedTuple):
    """A segment, taken apart."""

    path: Path
    data: bytes
    header: segment.Header | None
    stretches: list[Stretch]
    """All of it from the header on, or from the beginning where there is no sound header."""

    @property
    def records(self) -> list[Record]:
        """Of the stretches."""
        return [stretch.record for stretch in self.stretches if stretch.record]

    def is_header(self, stretch: Stretch) -> bool:
        """Whether a stretch is nothing but an unsound header."""
        return self.header is None and stretch.start == 0 and stretch.end <= segment.HEADER_SIZE


def verify(directory: Path, progress: Progress = lambda *_: None) -> Verdict:
    """Read a journal, beside its writer if one runs.

    Args:
        directory: the journal's.
        progress: told of each segment.

    Raises:
        BadInputError: it is of another format.
    """
    running = lock.holder(directory) is not None
    verdict = Verdict(0, 0, 0, 0, [])
    number = segment.journal_number(directory)
    listed = segment.paths(directory)
    end = 0
    for position, (first, path) in enumerate(listed):
        progress(position + 1, len(listed))
        written = running and position == len(listed) - 1
        try:
            content = take_apart(first, path)
            found = list(_faults(content, first, number, written))
            if written and found:
                # What is read while it is written may look unsound, once.
                time.sleep(_AGAIN_SECONDS)
                content = take_apart(first, path)
                found = [fault for fault in _faults(content, first, number, written) if fault in found]
        except FileNotFoundError:
            # Pruned meanwhile.
            continue
        verdict.findings += found
        verdict.findings += _holes(directory, content, end or first)
        verdict.segments += 1
        verdict.bytes += len(content.data)
        verdict.records += len(content.records)
        verdict.tombstones += sum(not record.payload for record in content.records)
        end = max([end, first, *(record.sequence + 1 for record in content.records)])
    if (state := cursor_state(directory, end)) in CURSOR_FAULTS:
        verdict.findings.append(Finding("cursor", 0, CURSOR_FAULTS[state]))
    return verdict


def take_apart(first: int, path: Path) -> Content:
    """Read a segment whose name has a first sequence.

    Raises:
        BadInputError: another version of the format wrote it.
        FileNotFoundError: it is there no more.
    """
    data = files.read(path)
    header = segment.parse_header(path, data)
    start = segment.HEADER_SIZE if header else 0
    return Content(path, data, header, list(segment.stretches(data, start, first - 1)))


def is_explained(directory: Path, first: int, last: int) -> bool:
    """Whether missing records are in Kafka, or known to be missing by an entry of the quarantine."""
    if last < (cursor.load(directory) or 0):
        return True
    return any(
        entry.sequences and entry.sequences[0] <= first and last <= entry.sequences[1]
        for entry in setaside.entries(directory, setaside.QUARANTINE)
    )


def cursor_state(directory: Path, end: int) -> CursorState:
    """How the cursor of a journal stands.

    Args:
        directory: the journal's.
        end: the sequence after the last record, or 0 where there are no segments.
    """
    if not files.exists(directory / "cursor"):
        return "none"
    found = cursor.parse(directory)
    if found is None:
        return "unsound"
    if cursor.load(directory) is None:
        return "foreign"
    return "ahead" if found.sequence > end > 0 else "well"


def _faults(content: Content, first: int, number: int, written: bool) -> Iterator[Finding]:
    name, data, header = content.path.name, content.data, content.header
    if header is None and not (written and len(data) < segment.HEADER_SIZE):
        yield Finding(name, 0, "the header is unsound")
    if header and header.first_sequence != first:
        yield Finding(name, 0, f"the header says that it begins with record {header.first_sequence}")
    if header and header.journal not in (0, number):
        yield Finding(name, 0, "it is of another journal")
    last = first - 1
    for stretch in content.stretches:
        torn = stretch.end == len(data)
        if stretch.record is None:
            if not (content.is_header(stretch) or (torn and written)):
                what = "the tail is torn" if torn else "no sound record"
                yield Finding(name, stretch.start, f"{what}: {stretch.end - stretch.start} bytes")
        elif stretch.record.sequence <= last:
            yield Finding(name, stretch.start, f"record {stretch.record.sequence} follows record {last}")
        else:
            last = stretch.record.sequence


def _holes(directory: Path, content: Content, expected: int) -> Iterator[Finding]:
    for stretch in content.stretches:
        if stretch.record is None:
            continue
        last = stretch.record.sequence - 1
        if last >= expected and not is_explained(directory, expected, last):
            yield Finding(content.path.name, stretch.start, f"records {expected} to {last} are not there")
        expected = max(expected, last + 2)
