"""What a connection's lines say about until when X was heard, and about a journal that takes nothing."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from citypulse.producer.config import X
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.file import Wanted
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.stream.reception import Reception, backfill_minutes
from citypulse.producer.stream.xclock import XClock

EPOCH_MS = 1288834974657
WANTED = Wanted(("all",), ("CA",), ())
START = 1_800_000_000


class Receiving:
    """A reception on fake clocks, whose journal is done at once and may take its time."""

    def __init__(self, directory: Path) -> None:
        self.now = float(START)
        self.durable, self.unjournaled, self.dropped = 1, 0, 0
        self.put_seconds = 0.0
        clock = XClock(lambda: self.now, lambda: self.now)
        self.heard = Heard(directory, self, clock.monotonic)
        self.book = GapBook(directory, "main", self.heard)
        self.book.connected(START * 1000, START * 1000, WANTED)
        self.reception = Reception(
            X(),
            self,
            self.heard,
            self.book,
            clock,
            threading.Event(),
            0,  # type: ignore[arg-type]
        )
        self.reception.connected(START * 1000, START * 1000)

    def put(self, _at: int, payloads: list[bytes], _stopping: Callable[[], bool]) -> None:
        self.now += self.put_seconds
        self.durable += len(payloads)

    def take(self, after: float, *lines: bytes) -> int:
        self.now += after
        return self.reception.take(list(lines))

    @property
    def heard_after(self) -> float | None:
        return None if self.heard.value is None else self.heard.value / 1000 - START


def post(created: float) -> bytes:
    return b'{"data":{"id":"%d"}}' % (int((START + created) * 1000) - EPOCH_MS << 22)


@pytest.fixture
def receiving(tmp_path: Path) -> Receiving:
    return Receiving(tmp_path)


def test_a_post_says_that_x_was_heard_until_its_creation(receiving: Receiving) -> None:
    assert receiving.take(10, post(7.5)) == 1
    assert receiving.heard_after == 7.5


def test_a_post_of_the_future_says_nothing(receiving: Receiving) -> None:
    receiving.take(0.3, post(500))
    assert receiving.heard_after == 0


def test_an_older_post_takes_nothing_back(receiving: Receiving) -> None:
    receiving.take(10, post(7.5))
    receiving.take(1, post(3))
    assert receiving.heard_after == 7.5


def test_silence_with_keep_alives_moves_the_bound_as_far_behind_as_a_stall_is_long(
    receiving: Receiving,
) -> None:
    for _ in range(5):
        assert receiving.take(20, b"") == 0
    # The last read began at 80 s; a second is what the host's clock may be off.
    assert receiving.heard_after == 80 - 30 - 1


def test_a_journal_that_takes_nothing_for_as_long_as_a_stall_may_be_why_x_ends_it(
    receiving: Receiving,
) -> None:
    receiving.put_seconds = 29
    receiving.take(1, post(0.5))
    assert not receiving.reception.blocked
    receiving.put_seconds = 31
    receiving.take(1, post(1))
    receiving.put_seconds = 0
    receiving.take(1, post(2))
    assert receiving.reception.blocked
    receiving.now += 31
    assert not receiving.reception.blocked


@pytest.mark.parametrize("dropped", [0, 1])
def test_a_gap_is_filled_by_backfill_unless_a_full_journal_dropped_something_since(
    receiving: Receiving, dropped: int
) -> None:
    now = receiving.now * 1000
    receiving.book.lost("network", int(now))
    receiving.book.connected(int(now) + 1000, int(now) + 2000, WANTED)
    receiving.reception.backfill_minutes = 5
    receiving.reception.connected(int(now) + 1000, int(now) + 2000)
    receiving.take(1, post(0.5))
    receiving.dropped = dropped
    for seconds in range(2, 200, 10):
        receiving.take(10, post(seconds))
    (gap,) = receiving.book.gaps()
    assert gap.open == bool(dropped)


@pytest.mark.parametrize(
    ("start", "longest", "minutes"),
    [(-30, 5, 1), (-56, 5, 2), (-119, 5, 3), (-290, 5, 5), (-301, 5, 0), (-30, 0, 0), (-119, 2, 2)],
)
def test_x_is_asked_for_the_minutes_that_reach_the_gap(
    receiving: Receiving, start: int, longest: int, minutes: int
) -> None:
    now = (START + 1000) * 1000
    receiving.heard.begin(now + start * 1000)
    receiving.book.lost("network", now)
    assert backfill_minutes(receiving.book, longest, now) == minutes
