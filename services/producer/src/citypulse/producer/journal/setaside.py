"""What could not be used, kept with its reason for a person to look at. It stops nothing.

Three files of JSON lines in the journal's directory, whose payloads are base64:

    quarantine.jsonl    bytes of a segment that are no record: segment, offset, length, reason, payload
    dead-letters.jsonl  records that Kafka refuses for good: sequence, at, reason, payload
    set-aside.jsonl     messages that could not become an event: sequence, at, reason, payload

`kept` is when a line was written, `at` when a message was read, both in ms since the epoch. A file is bounded
in bytes and in age: what is oldest goes first. How much there ever was, metrics count.
"""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.journal import files
from citypulse.producer.journal.segment import Record

QUARANTINE = "quarantine.jsonl"
DEAD_LETTERS = "dead-letters.jsonl"
SET_ASIDE = "set-aside.jsonl"
NAMES = (QUARANTINE, DEAD_LETTERS, SET_ASIDE)

MAX_BYTES = 16 << 20
"""Size of a file from which on only the newer half is kept."""

log = structlog.get_logger()


class Entry(msgspec.Struct, omit_defaults=True):
    """A line of any of the files."""

    kept: int
    reason: str
    payload: str = ""
    sequence: int = 0
    at: int = 0
    segment: str = ""
    offset: int = 0
    length: int = 0
    sequences: tuple[int, int] | None = None
    """First and last sequence that the journal lacks for it, where they are known."""

    def content(self) -> bytes:
        """The payload, or the bytes, as they were."""
        return base64.b64decode(self.payload)


class SetAside:
    """Adds to the files of a journal, from any thread and process.

    Nothing is added while the disk is full, which is logged and counted.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def record(self, record: Record, reason: str) -> None:
        """Keep a record that could not become an event."""
        self._keep(SET_ASIDE, _entry(record, reason))

    def dead_letter(self, record: Record, reason: str) -> None:
        """Keep a record that Kafka refuses for good."""
        self._keep(DEAD_LETTERS, _entry(record, reason))

    def corrupt(
        self,
        segment: str,
        offset: int,
        data: bytes,
        reason: str,
        sequences: tuple[int, int] | None = None,
    ) -> None:
        """Keep bytes of a segment that are no record, once however often they are met."""
        entry = Entry(
            kept=_now(),
            reason=reason,
            payload=base64.b64encode(data).decode(),
            segment=segment,
            offset=offset,
            length=len(data),
            sequences=sequences,
        )

        def same(other: Entry) -> bool:
            return (other.segment, other.offset, other.payload) == (segment, offset, entry.payload)

        if any(same(other) for other in entries(self._directory, QUARANTINE)):
            if sequences is None:
                return
            # What is added now knows more.
            remove(self._directory, QUARANTINE, same)
        self._keep(QUARANTINE, entry)

    def _keep(self, name: str, entry: Entry) -> None:
        path = self._directory / name
        line = msgspec.json.encode(entry) + b"\n"
        try:
            with _changing(self._directory):
                if not files.exists(path):
                    files.close(files.create(path, line))
                    return
                if files.size(path) > MAX_BYTES:
                    _keep_newer_half(path)
                _append(path, line)
        except OSError as error:
            if not files.is_short(error):
                raise
            metrics.not_set_aside.labels(name).inc()
            log.warning("journal: the disk is full, so this is not set aside", file=name, reason=entry.reason)


def entries(directory: Path, name: str) -> Iterator[Entry]:
    """The entries of a file, oldest first; a line that a crash left torn is passed over."""
    for line in _lines(directory / name):
        if entry := _decoded(line):
            yield entry


def remove(directory: Path, name: str, unwanted: Callable[[Entry], bool]) -> int:
    """Take entries out of a file; how many there were.

    Raises:
        OSError: the file is as it was.
    """
    path = directory / name
    with _changing(directory):
        lines = [(line, _decoded(line)) for line in _lines(path)]
        kept = [line for line, entry in lines if entry and not unwanted(entry)]
        if len(kept) < len(lines):
            files.replace(path, b"".join(kept))
        return sum(entry is not None for _, entry in lines) - len(kept)


def trim(directory: Path, seconds: float) -> None:
    """Take out what was kept for longer than this."""
    oldest = _now() - int(seconds * 1000)
    for name in NAMES:
        remove(directory, name, lambda entry: entry.kept < oldest)


def sync(directory: Path) -> None:
    """Have what was set aside on disk before this returns."""
    for name in NAMES:
        try:
            descriptor = files.open_to_append(directory / name)
        except FileNotFoundError:
            continue
        try:
            files.sync(descriptor)
        finally:
            files.close(descriptor)


def changes_lock(directory: Path) -> Path:
    """The lock that is held while segments are deleted or rewritten, or one of the files is written."""
    return directory / "changes.lock"


def _changing(directory: Path) -> AbstractContextManager[None]:
    return files.locked(changes_lock(directory))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _entry(record: Record, reason: str) -> Entry:
    payload = base64.b64encode(record.payload).decode()
    return Entry(kept=_now(), reason=reason, payload=payload, sequence=record.sequence, at=record.at)


def _lines(path: Path) -> list[bytes]:
    return files.read(path).splitlines(keepends=True) if files.exists(path) else []


def _decoded(line: bytes) -> Entry | None:
    try:
        entry = msgspec.json.decode(line, type=Entry)
        entry.content()
    except (msgspec.DecodeError, ValueError):
        # A line that is torn, or has bytes that went bad.
        return None
    return entry


def _append(path: Path, line: bytes) -> None:
    descriptor = files.open_to_append(path)
    try:
        size = files.size(path)
        torn = size and files.read_at(descriptor, 1, size - 1) != b"\n"
        try:
            files.append(descriptor, b"\n" + line if torn else line)
        except OSError:
            files.truncate(descriptor, size)
            raise
    finally:
        files.close(descriptor)


def _keep_newer_half(path: Path) -> None:
    data = files.read(path)
    files.replace(path, data[data.find(b"\n", len(data) - MAX_BYTES // 2) + 1 :])
