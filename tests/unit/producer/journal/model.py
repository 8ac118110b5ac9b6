"""What a journal must hold, in memory: the whole of the promise, without a disk."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from citypulse.producer.errors import StopError
from citypulse.producer.journal import cursor, files, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.tools import forget
from citypulse.producer.journal.tools.whose import Wanted
from citypulse.producer.journal.writer import Writer

from . import disk as disks

AT = 1_700_000_000_000
SEGMENT_BYTES = 600

POLICIES: dict[str, disks.Survives] = {
    "nothing unsynced survives": lambda _rng: "none",
    "everything survives": lambda _rng: "all",
    "files are longer and hold zeros": lambda rng: rng.choice(["zeros", "all"]),
    "each change survives, or some of it, or not": lambda rng: rng.choice(["all", "part", "zeros", "none"]),
}


KILLED = "only the process dies"


class Model:
    """A journal on a disk that can crash, and what is known of it."""

    def __init__(self, patch: pytest.MonkeyPatch, seed: int = 0) -> None:
        self.directory = Path("/journal")
        self.disk = disks.install(patch, self.directory)
        self.rng = random.Random(seed)
        self.posts = 0
        self.accepted: dict[int, bytes] = {}
        self.attempted: dict[int, set[bytes]] = {}
        """Records of appends in which the power went: they may be there or not."""
        self.damaged: set[int] = set()
        """Records that were destroyed on the disk itself: they may be there, or others with their number."""
        self.bad_headers: set[str] = set()
        self.hurt = False
        """Whether anything was."""
        self.forgotten: set[int] = set()
        """Records whose payload is gone."""
        self.half_forgotten: set[int] = set()
        """Users whose posts may be: forgetting them began."""
        self.cursor = 0
        """What is known to be stored."""
        self.cursors = {0}
        """What may be stored since."""
        self.ever = {0}
        self.prunable = 0
        """What was ever stored: records before it may be deleted, also if the cursor is lost later."""
        self.cursor_lost = False
        self.writer: Writer | None = None
        self.reader: Reader | None = None
        self.open()
        patch.setattr(forget, "_rotate", lambda _directory: self._writer.rotate())

    @property
    def _writer(self) -> Writer:
        assert self.writer
        return self.writer

    # Actions, each of which the power may end.

    def open(self) -> None:
        self.writer = Writer(self.directory, SEGMENT_BYTES)
        self.check()
        self.cursor = cursor.load(self.directory) or 0
        self.cursors = {self.cursor}
        self.reader = Reader(self.directory, cursor.load(self.directory) or 0, self._corrupt)

    def close(self) -> None:
        if self.reader:
            self.reader.close()
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None

    def append(self, users: list[int]) -> None:
        first = self._writer.next_sequence
        payloads = [self._payload(user) for user in users]
        for sequence, payload in enumerate(payloads, first):
            self.attempted.setdefault(sequence, set()).add(payload)
        try:
            self._writer.append([(AT, payload) for payload in payloads])
        except OSError as error:
            if not files.is_short(error):
                raise
            # It is not there, as long as the power is.
            self.check()
            return
        for sequence, payload in enumerate(payloads, first):
            assert sequence not in self.accepted or sequence in self.damaged, f"{sequence} is given twice"
            self.damaged.discard(sequence)
            self.forgotten.discard(sequence)
            self.accepted[sequence] = payload
            del self.attempted[sequence]

    def read(self) -> None:
        """Go on as the sender does."""
        assert self.reader
        while records := self.reader.read(self._writer.next_sequence, 3, 1 << 20):
            for record in records:
                assert record.payload == self.accepted[record.sequence] or record.sequence in self.damaged
        assert self.reader.sequence >= self._writer.next_sequence

    def acknowledge(self, share: float) -> None:
        assert self.reader
        # It never goes back, not even behind one of which it is not known whether it was stored.
        last = max(self.cursors)
        sequence = last + int((self.reader.sequence - last) * share)
        if sequence > last:
            self.cursors.add(sequence)
            self.ever.add(sequence)
            if cursor.store(self.directory, sequence):
                self.cursor, self.cursors = sequence, {sequence}
                self.prunable = max(self.prunable, sequence)

    def prune(self, needs_room: bool) -> None:
        try:
            self._writer.prune(max(self.cursors), 0, needs_room)
        except OSError as error:
            assert files.is_short(error)

    def rotate(self) -> None:
        try:
            self._writer.rotate()
        except OSError as error:
            assert files.is_short(error)

    def forget(self, user: int, running: bool) -> None:
        self.half_forgotten.add(user)
        if not running:
            self.close()
        try:
            forget.forget(self.directory, Wanted(user, None), dry_run=False)
        except StopError as error:
            assert error.exit_code == 4
        else:
            self.forgotten |= {
                sequence for sequence, payload in self.accepted.items() if self._user(payload) == user
            }
        if not running:
            self.open()

    # What happens to it.

    def with_crash(self, after: int, policy: str, action: Callable[[], None]) -> bool:
        """Do something, and let the power go at a boundary from now; whether it went."""
        self.disk.crash_at = self.disk.boundaries + after
        try:
            action()
        except disks.Crash:
            if policy == KILLED:
                self.disk.crash_at, self.disk.dead = None, False
                self.die()
            else:
                self.crash(policy)
            return True
        finally:
            self.disk.crash_at = None
        return False

    def crash(self, policy: str) -> None:
        self.disk.crash(POLICIES[policy], self.rng)
        self.writer = self.reader = None
        self.open()

    def die(self) -> None:
        """The process ends, without a word; what it wrote is in the kernel's memory."""
        self.disk.opened = {}
        for inode in self.disk.names_shown.values():
            inode.locked_by = set()
        self.writer = self.reader = None
        self.open()

    def flip(self, share: float) -> None:
        """A byte of a segment changes on the disk, while no process runs."""
        self.close()
        self.hurt = True
        first, path = self.rng.choice(segment.paths(self.directory))
        data = self.disk.file(path.name)
        position = int(share * (len(data) - 1))
        if position < segment.HEADER_SIZE:
            # The same byte twice would be none.
            if path.name in self.bad_headers:
                self.open()
                return
            self.bad_headers.add(path.name)
        for start, end, record in segment.stretches(data, segment.HEADER_SIZE, first - 1):
            if record and start <= position < end:
                self.damaged.add(record.sequence)

        def change(content: bytearray) -> None:
            content[position] ^= 0x55

        self.disk.damage(path.name, change)
        self.open()

    def tear(self, share: float) -> None:
        """The newest segment loses its end, while no process runs."""
        self.close()
        self.hurt = True
        first, path = segment.paths(self.directory)[-1]
        data = self.disk.file(path.name)
        size = int(share * len(data))
        for _, end, record in segment.stretches(data, segment.HEADER_SIZE, first - 1):
            if record and end > size:
                self.damaged.add(record.sequence)

        def change(content: bytearray) -> None:
            del content[size:]

        self.disk.damage(path.name, change)
        self.open()

    def lose_cursor(self) -> None:
        self.close()
        self.disk.lose("cursor")
        self.prunable = max(self.prunable, *self.cursors)
        self.cursors = {0, *self.cursors}
        self.cursor_lost = True
        self.open()

    # What must hold.

    def check(self) -> None:
        """Read everything, as the one that starts now would."""
        stored = cursor.load(self.directory) or 0
        # Without headers it is not known any more which cursor is this journal's.
        assert stored in (self.ever if self.hurt else self.cursors), f"the cursor is {stored}"
        self.prunable = max(self.prunable, stored)
        oldest = segment.first_sequence(self.directory)
        early = oldest > max(stored, 1) and not (self.cursor_lost or self.hurt)
        assert not early, "a segment was deleted before the cursor was on disk"
        end = self._writer.next_sequence
        assert end > max(set(self.accepted) - self.damaged, default=0), "a sequence would be given twice"
        reader = Reader(self.directory, stored, self._corrupt)
        found: dict[int, bytes] = {}
        last = 0
        while records := reader.read(end, 4, 1 << 20):
            for record in records:
                assert record.sequence > last, "out of order"
                last = record.sequence
                found[record.sequence] = record.payload
        reader.close()
        for sequence, payload in found.items():
            if sequence not in self.accepted:
                assert payload in self.attempted.get(sequence, set()), f"{sequence} is none that was appended"
                self.accepted[sequence] = payload
            elif sequence not in self.damaged:
                assert payload == self.accepted[sequence], f"{sequence} is another one"
                assert sequence not in self.forgotten, f"{sequence} was forgotten"
        self.attempted = {}
        for sequence, payload in self.accepted.items():
            may_be_gone = (
                sequence in self.damaged
                or sequence in self.forgotten
                or self._user(payload) in self.half_forgotten
            )
            if sequence >= max(stored, self.prunable) and sequence not in found:
                assert may_be_gone, f"{sequence} was accepted and is lost"

    def _payload(self, user: int) -> bytes:
        self.posts += 1
        return json.dumps({"data": {"id": str(10_000 + self.posts), "author_id": str(user)}}).encode()

    def _user(self, payload: bytes) -> int:
        return int(json.loads(payload)["data"]["author_id"])

    def _corrupt(self, _segment: str, _offset: int, _data: bytes, reason: str) -> None:
        assert self.hurt or reason.startswith("records"), reason
