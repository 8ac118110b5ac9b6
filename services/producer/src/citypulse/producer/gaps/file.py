"""The file `gaps.jsonl` in the journal's directory: what is wanted of X, and each gap, as they change.

A line is one of

    {"type":"wanted","id":…,"since":…,"feeds":[…],"countries":[…],"queries":[[tag,query],…]}
    {"type":"gap","wanted":…,"gap":{…}}          a gap as it is from now on (see `citypulse.events.gap`)
    {"type":"published","id":…}                  Kafka has that gap as it was

and the last one of a gap, or of what is wanted, counts. A line is on disk before what it says is relied on;
a torn last line was not. The file is written anew, whole, when most of its lines are outdated.
"""

import hashlib
import os
from pathlib import Path

import msgspec
import structlog

from citypulse.events.gap import Gap
from citypulse.producer.journal import files, reserve

log = structlog.get_logger()

_HISTORY = 9

NAME = "gaps.jsonl"
KEPT = 10_000
"""Gaps that are remembered; of more the oldest that are filled are forgotten first, then the oldest."""


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """What is asked of X."""

    feeds: tuple[str, ...]
    countries: tuple[str, ...]
    queries: tuple[tuple[str, str], ...]
    """What recent search would be asked for the same posts: a rule's tag and a query, each."""
    since: int = 0
    """X's time from which on it is, in ms since the epoch."""
    id: str = ""

    def named(self, since: int) -> "Wanted":
        """The same with its time, and with its id, which the rest makes."""
        digest = hashlib.sha256(msgspec.json.encode([self.feeds, self.countries, self.queries]))
        return msgspec.structs.replace(self, since=since, id=digest.hexdigest()[:16])


class Entry(msgspec.Struct, frozen=True, tag="gap"):
    """A gap, and what was wanted in it."""

    gap: Gap
    wanted: str


class _Published(msgspec.Struct, frozen=True, tag="published"):
    id: str


_Line = Wanted | Entry | _Published
_decoder = msgspec.json.Decoder(_Line)


class GapFile:
    """The file's contents in memory, and appends to both. Not for several threads at once."""

    def __init__(self, directory: Path) -> None:
        """Read the file, if there is one; nothing is written before the first change.

        Args:
            directory: the journal's.
        """
        self._path = directory / NAME
        self._descriptor: int | None = None
        self.wanted: dict[str, Wanted] = {}
        self.history: list[Wanted] = []
        """What was wanted lately, the last of it now."""
        self.entries: dict[str, Entry] = {}
        """By the gap's id, in the order in which they opened."""
        self.unpublished: set[str] = set()
        data = self._path.read_bytes() if self._path.exists() else b""
        self._sound = data.rfind(b"\n") + 1
        lines = data[: self._sound].splitlines()
        for line in lines:
            try:
                self._take(_decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                log.warning("gaps: a line cannot be read", file=str(self._path), reason=str(error))
        self._lines = len(lines)

    def record(self, gap: Gap, wanted: str) -> None:
        """Have a gap on disk as it is now, before this returns.

        Raises:
            OSError: it is not.
        """
        self._append(Entry(gap, wanted), sync=True)

    @property
    def current(self) -> Wanted | None:
        """What is wanted now; None before the first connection ever."""
        return self.history[-1] if self.history else None

    def want(self, wanted: Wanted, since: int) -> None:
        """Have what is wanted from a time on on disk before this returns. Raises as `record` does."""
        named = wanted.named(since)
        if self.current is None or self.current.id != named.id:
            self._append(named, sync=True)

    def published(self, gap_id: str) -> None:
        """Remember that Kafka has a gap as it is; should that be forgotten, it gets it twice."""
        self._append(_Published(gap_id), sync=False)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, line: _Line) -> None:
        if isinstance(line, Wanted):
            self.wanted[line.id] = line
            self.history = [*self.history[-_HISTORY:], line]
        elif isinstance(line, Entry):
            self.entries[line.gap.id] = line
            self.unpublished.add(line.gap.id)
        else:
            self.unpublished.discard(line.id)

    def _append(self, line: _Line, *, sync: bool) -> None:
        data = msgspec.json.encode(line) + b"\n"
        reserve.with_room(self._path.parent, lambda: self._write(data, sync=sync))
        self._sound += len(data)
        self._lines += 1
        self._take(line)
        if self._lines > 4 * (len(self.entries) + len(self.wanted)) + 1000 or len(self.entries) > KEPT:
            try:
                self._rewrite()
            except OSError as error:
                if not files.is_short(error):
                    raise
                # The line is on disk; a longer file is no harm.
                log.warning("gaps: the disk has no room to write the file anew", reason=str(error))

    def _write(self, data: bytes, *, sync: bool) -> None:
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None  # noqa: S101
        try:
            files.append(self._descriptor, data)
            if sync:
                files.sync(self._descriptor)
        except OSError:
            files.truncate(self._descriptor, self._sound)
            raise

    def _open(self) -> None:
        if self._path.exists():
            self._descriptor = files.open_to_append(self._path)
            files.truncate(self._descriptor, self._sound)
        else:
            self._descriptor = files.create(self._path, b"")

    def _rewrite(self) -> None:
        oldest_first = sorted(self.entries.values(), key=lambda entry: (entry.gap.open, entry.gap.start))
        # A tenth more than needed, so that a full file is not written anew for each gap.
        excess = len(self.entries) - KEPT * 9 // 10 if len(self.entries) > KEPT else 0
        forgotten = {entry.gap.id for entry in oldest_first[:excess]}
        if lost := sum(self.entries[gap_id].gap.open for gap_id in forgotten):
            log.error("gaps: too many; the oldest open ones are forgotten", gaps=lost)
        self.entries = {key: entry for key, entry in self.entries.items() if key not in forgotten}
        self.unpublished -= forgotten
        used = {entry.wanted for entry in self.entries.values()}
        recent = {wanted.id: wanted for wanted in self.history}
        old = {key: wanted for key, wanted in self.wanted.items() if key in used - recent.keys()}
        self.wanted = old | recent
        lines: list[_Line] = [*old.values(), *self.history, *self.entries.values()]
        lines += [_Published(key) for key in self.entries if key not in self.unpublished]
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        files.replace(self._path, data)
        self.close()
        self._sound, self._lines = len(data), len(lines)
