"""Whatever happens, and whenever: each post that X sent and that is not journaled lies in a recorded gap.

The producer's own parts run against a model of X, of the network, of the disk and of time: reception, the
bound of what was heard, and the book of gaps. A post is lost when a connection breaks with it on the way,
when the process is killed before it is on disk, or when nobody was connected.
"""

import email.utils
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from citypulse.producer.config import X
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.file import Wanted
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.gaps.journaled import post_id
from citypulse.producer.journal import files
from citypulse.producer.stream.reception import Reception
from citypulse.producer.stream.xclock import XClock

START = 1_760_000_000.0
X_SETTINGS = X()
STALL = X_SETTINGS.stall_seconds
KEEP_ALIVE = 20.0
SNOWFLAKE_EPOCH_MS = 1288834974657


class Post(NamedTuple):
    id: int
    feed: str
    sent: float


class OnWire(NamedTuple):
    arrives: float
    line: bytes


class ModelJournal:
    """Stands where the committer stands: what was put is durable once `commit` has taken it."""

    dropped = 0

    def __init__(self, durable: int, while_putting: Callable[[], None]) -> None:
        self.durable = durable
        self.pending: list[bytes] = []
        self.while_putting = while_putting

    @property
    def unjournaled(self) -> int:
        return len(self.pending)

    def put(self, _at: int, payloads: list[bytes], _stopping: Callable[[], bool]) -> None:
        self.while_putting()
        self.pending += payloads


class Machine(RuleBasedStateMachine):
    """Times are seconds of X's clock; the producer sees them only through answers and the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.now = START
        self.disk_full = False
        self.unrecorded = False
        self.posts: list[Post] = []
        self.journaled: set[int] = set()
        self.sequence = 1
        self.wire: list[OnWire] | None = None
        self.last_sent = self.last_arrival = START
        self.on_x: set[str] = set()
        self.wanted_since: dict[str, float] = {}
        self.wanted_spans: list[tuple[str, float, float]] = []
        self.feeds = {"a"}
        self.block_seconds = 0.0
        self.wall_offset = 0.0
        self.reception: Reception | None = None
        self.patches = [
            mock.patch.object(os, "fsync", lambda _descriptor: None),
            mock.patch.object(files, "sync", lambda _descriptor: None),
            mock.patch.object(files, "append", self.append),
        ]
        self.real_append = files.append
        for patch in self.patches:
            patch.start()

    def teardown(self) -> None:
        for patch in self.patches:
            patch.stop()
        self.book.close()
        shutil.rmtree(self.directory)

    def append(self, descriptor: int, data: bytes) -> None:
        if self.disk_full:
            self.real_append(descriptor, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        self.real_append(descriptor, data)

    @initialize(wall_offset=st.sampled_from([0.0, -3600.0, 3600.0]))
    def first_start(self, wall_offset: float) -> None:
        self.wall_offset = wall_offset
        self.start()

    def start(self) -> None:
        self.unrecorded = False
        self.clock = XClock(lambda: self.now + self.wall_offset, lambda: self.now)
        self.journal = ModelJournal(self.sequence, self.block)
        self.heard = Heard(self.directory, self.journal, lambda: self.now)
        self.book = GapBook(self.directory, "main", self.heard)
        try:
            self.book.begin(self.clock.latest(), None, self.wanted())
        except OSError:
            # The disk is full: the service manager starts it again.
            assert self.disk_full
            self.disk_full = False
            self.book.close()
            self.start()

    def wanted(self) -> Wanted:
        return Wanted(tuple(sorted(self.feeds)), (), tuple((feed, feed) for feed in sorted(self.feeds)))

    def block(self) -> None:
        self.now += self.block_seconds
        self.block_seconds = 0.0

    @rule(seconds=st.floats(0.001, 90))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(late=st.floats(0, 240), latency=st.floats(0, STALL - 1), feed=st.sampled_from("ab"))
    def x_sends_a_post(self, late: float, latency: float, feed: str) -> None:
        if feed not in self.on_x:
            return
        self.now += 0.01
        number = (int((self.now - late) * 1000) - SNOWFLAKE_EPOCH_MS << 22) + len(self.posts)
        post = Post(number, feed, self.now)
        self.posts.append(post)
        if self.wire is not None:
            line = json.dumps({"data": {"id": str(number)}}).encode()
            self.send(line, latency)

    @rule(seconds=st.floats(0, 300))
    def the_journal_will_block_the_next_put(self, seconds: float) -> None:
        self.block_seconds = seconds

    @precondition(lambda self: self.wire is not None)
    @rule(most=st.integers(1, 5))
    def the_stream_is_read(self, most: int) -> None:
        assert self.wire is not None
        assert self.reception is not None
        if not self.wire:
            self.now = max(self.now, self.last_sent + KEEP_ALIVE)
            self.send(b"", 0.0)
        if self.wire[0].arrives - max(self.last_arrival, self.read_since) > STALL:
            self.now = max(self.now, self.last_arrival + STALL)
            self.the_connection_breaks("stalled")
            return
        self.now = max(self.now, self.wire[0].arrives)
        arrived = [item for item in self.wire if item.arrives <= self.now][:most]
        del self.wire[: len(arrived)]
        self.last_arrival = arrived[-1].arrives
        self.reception.take([item.line for item in arrived])
        self.read_since = self.now

    @rule(most=st.integers(1, 10))
    def the_disk_takes_records(self, most: int) -> None:
        group, self.journal.pending = self.journal.pending[:most], self.journal.pending[most:]
        for payload in group:
            number = post_id(payload)
            assert number is not None
            self.journaled.add(number)
        self.journal.durable += len(group)
        self.sequence = self.journal.durable

    @precondition(lambda self: self.wire is not None)
    @rule(cause=st.sampled_from(["network", "stalled", "closed"]))
    def the_connection_breaks(self, cause: str) -> None:
        self.wire = self.reception = None
        try:
            self.book.lost(cause, self.clock.latest())
        except OSError:
            assert self.disk_full
            self.unrecorded = True

    @precondition(lambda self: self.wire is None)
    @rule(round_trip=st.floats(0.001, 8), date=st.booleans())
    def the_producer_connects(self, round_trip: float, date: bool) -> None:
        asked = self.now
        self.now += round_trip / 2
        on_x, accepted = set(self.feeds), self.now
        header = email.utils.formatdate(self.now, usegmt=True)
        # X may go on sending before the answer is read.
        self.wire, self.on_x = [], on_x
        self.last_sent = self.last_arrival = self.now
        if date:
            self.x_sends_a_post(0.0, 0.0, "a")
        self.now += round_trip / 2
        self.clock.learn(header, asked, self.now)
        self.reception = Reception(
            X_SETTINGS,
            self.journal,
            self.heard,
            self.book,
            self.clock,
            threading.Event(),
            0,  # type: ignore[arg-type]
        )
        earliest, latest = self.clock.earliest(asked), self.clock.latest()
        try:
            self.book.connected(earliest, latest, self.wanted())
        except OSError:
            assert self.disk_full
            self.wire = self.reception = None
            self.unrecorded = True
            return
        self.unrecorded = False
        self.reception.connected(earliest, latest)
        self.read_since = self.now
        for feed in self.wanted_since.keys() - self.feeds:
            self.wanted_spans.append((feed, self.wanted_since.pop(feed), accepted))
        for feed in self.feeds - self.wanted_since.keys():
            self.wanted_since[feed] = accepted if not self.wanted_since else latest / 1000

    @precondition(lambda self: self.wire is not None and not self.disk_full)
    @rule(feeds=st.sampled_from([{"a"}, {"b"}, {"a", "b"}]))
    def the_feeds_change_while_it_is_connected(self, feeds: set[str]) -> None:
        self.on_x |= feeds
        self.now += 0.1
        self.on_x = set(feeds)
        removed_at = self.now
        self.feeds = feeds
        latest = self.clock.latest()
        self.book.wants(self.wanted(), latest)
        for feed in self.wanted_since.keys() - feeds:
            self.wanted_spans.append((feed, self.wanted_since.pop(feed), removed_at))
        for feed in feeds - self.wanted_since.keys():
            self.wanted_since[feed] = latest / 1000

    @rule()
    def the_process_is_killed_and_starts_again(self) -> None:
        self.book._file.close()
        self.wire = self.reception = None
        self.start()

    @precondition(lambda self: not self.disk_full)
    @rule()
    def the_process_stops_and_starts_again(self) -> None:
        self.the_disk_takes_records(len(self.journal.pending))
        self.book.lost("stopped", self.clock.latest())
        self.book.close()
        self.wire = self.reception = None
        self.start()

    @rule(full=st.booleans())
    def the_disk_is_full_or_freed(self, full: bool) -> None:
        self.disk_full = full

    @invariant()
    def what_is_missing_lies_in_a_recorded_gap(self) -> None:
        if not hasattr(self, "book"):
            return
        alive = {post_id(payload) for payload in self.journal.pending}
        alive |= {post_id(item.line) for item in self.wire or () if item.line}
        gaps = self.book.gaps()
        for post in self.posts:
            if post.id in self.journaled or post.id in alive or not self.was_wanted(post):
                continue
            sent = post.sent * 1000
            # What a full disk did not take is recorded before the next connection, from this bound on.
            if self.unrecorded and sent >= (self.heard.value or 0):
                continue
            assert any(gap.start <= sent <= (gap.end or 10**15) and post.feed in gap.feeds for gap in gaps), (
                f"sent at {sent:.0f}: {post}; gaps {gaps}; heard {self.heard.value}"
            )

    @invariant()
    def gaps_have_a_beginning_before_their_end_and_one_at_most_has_none(self) -> None:
        if hasattr(self, "book"):
            gaps = self.book.gaps()
            assert all(gap.end is None or gap.start < gap.end for gap in gaps)
            assert sum(gap.end is None for gap in gaps) <= 1
            assert len({gap.id for gap in gaps}) == len(gaps)

    def was_wanted(self, post: Post) -> bool:
        since = self.wanted_since.get(post.feed)
        spans = [(begin, end) for feed, begin, end in self.wanted_spans if feed == post.feed]
        if since is not None:
            spans.append((since, float("inf")))
        return any(begin <= post.sent < end for begin, end in spans)

    def send(self, line: bytes, latency: float) -> None:
        assert self.wire is not None
        self.last_sent = self.now
        before = self.wire[-1].arrives if self.wire else self.last_arrival
        self.wire.append(OnWire(max(before, self.now + latency), line))


TestEveryMissingPostLiesInARecordedGap = Machine.TestCase
TestEveryMissingPostLiesInARecordedGap.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None
)
