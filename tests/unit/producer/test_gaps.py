"""The book of gaps keeps what it was told, says it to Kafka until that is acknowledged, and stays small."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from citypulse.events import gap as gaps
from citypulse.events.gap import Gap
from citypulse.producer import metrics
from citypulse.producer.gaps import file as gap_files
from citypulse.producer.gaps import heard as heard_file
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.file import GapFile, Wanted
from citypulse.producer.gaps.heard import Heard, handed_over
from citypulse.producer.journal import files, reserve

DAY = 24 * 3600 * 1000
CANADA = Wanted(("all",), ("CA",), (("citypulse/main/all/1", "place_country:CA"),))
BOTH = Wanted(("all", "uk"), ("CA", "GB"), CANADA.queries)


class Journal:
    durable = 1
    unjournaled = 0


class Kept:
    """A book, and what it stands on, opened again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.journal = Journal()
        self.open()

    def open(self) -> None:
        self.heard = Heard(self.directory, self.journal)
        self.book = GapBook(self.directory, "main", self.heard)

    def hear(self, at: int) -> None:
        self.heard.note(at)
        self.heard.advance()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_the_first_start_ever_is_no_gap(kept: Kept) -> None:
    kept.book.begin(5000, None, CANADA)
    kept.book.lost("network", 6000)
    kept.book.connected(9000, 9500, CANADA)
    assert kept.book.gaps() == []


def test_a_gap_begins_where_x_was_heard_last_and_ends_with_the_next_connection(kept: Kept) -> None:
    kept.book.connected(1000, 1500, CANADA)
    kept.hear(4000)
    kept.book.lost("stalled", 40_000)
    kept.book.lost("network", 50_000)
    assert [gap.end for gap in kept.book.gaps()] == [None]
    kept.book.connected(60_000, 61_000, CANADA)
    (gap,) = kept.book.gaps()
    assert gap == Gap("main-4000", "main", ("all",), ("CA",), 4000, 61_000, "stalled")


def test_what_is_not_on_disk_is_not_heard(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.journal.unjournaled = 3
    kept.hear(2000)
    kept.journal.durable, kept.journal.unjournaled = 3, 1
    kept.hear(2500)
    assert kept.heard.value == 1000
    kept.journal.durable, kept.journal.unjournaled = 4, 0
    assert kept.heard.advance() == 2500


def test_records_that_reach_the_disk_meanwhile_never_make_the_bound_too_small() -> None:
    class Moving:
        durable = 7

        @property
        def unjournaled(self) -> int:
            self.durable += 2
            return 5

    assert handed_over(Moving()) >= 7 + 5


def test_a_bound_that_asks_for_more_than_there_will_be_holds_up_none_after_it(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.journal.unjournaled = 1
    kept.hear(2000)
    kept.journal.unjournaled = 0
    assert kept.heard.advance() == 1000
    kept.hear(3000)
    assert kept.heard.advance() == 3000


def test_the_reserve_is_room_for_a_gap_on_a_full_disk(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(2000)
    append = files.append

    def full(descriptor: int, data: bytes) -> None:
        if (kept.directory / "reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        append(descriptor, data)

    assert reserve.make(kept.directory, 4096)
    monkeypatch.setattr(files, "append", full)
    kept.book.lost("network", 3000)
    assert [entry.gap.cause for entry in GapFile(kept.directory).entries.values()] == ["network"]


def test_a_full_disk_keeps_a_long_file_long_and_every_gap_in_it(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gap_files, "KEPT", 3)
    kept.book.connected(1000, 1000, CANADA)
    monkeypatch.setattr(files, "replace", full)
    for at in range(2000, 12_000, 1000):
        kept.book.dropped(at, at + 10)
    assert len(GapFile(kept.directory).entries) == 10


def test_connections_that_bring_nothing_are_one_gap(kept: Kept) -> None:
    counted = seconds("closed")
    kept.book.connected(1000, 1000, CANADA)
    for at in range(2000, 50_000, 1000):
        kept.book.lost("closed", at)
        kept.book.connected(at + 500, at + 600, CANADA)
    (gap,) = kept.book.gaps()
    assert (gap.start, gap.end) == (1000, 49_600)
    assert seconds("closed") - counted == pytest.approx(48.6)


def seconds(cause: str) -> float:
    return metrics.registry.get_sample_value("citypulse_producer_gap_seconds_total", {"cause": cause}) or 0.0


def test_a_kill_is_found_at_the_next_start(kept: Kept) -> None:
    kept.book.begin(500, None, CANADA)
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(7000)
    kept.heard._write()
    kept.open()
    kept.book.begin(90_000, None, BOTH)
    kept.book.connected(95_000, 96_000, BOTH)
    (gap,) = kept.book.gaps()
    assert (gap.cause, gap.start, gap.end, gap.feeds) == ("killed", 7000, 96_000, ("all",))


def test_a_stop_is_one_gap_until_the_next_connection(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(7000)
    kept.book.lost("stopped", 7100)
    kept.book.close()
    kept.open()
    kept.book.begin(90_000, None, CANADA)
    kept.book.connected(95_000, 96_000, CANADA)
    assert [(gap.cause, gap.start, gap.end) for gap in kept.book.gaps()] == [("stopped", 7000, 96_000)]


def test_a_journal_from_before_there_were_gaps_begins_one_after_its_last_record(kept: Kept) -> None:
    kept.book.begin(90_000, 80_000, CANADA)
    assert [(gap.cause, gap.start) for gap in kept.book.gaps()] == [("killed", 80_000)]


@pytest.mark.parametrize("content", [b"", b"00000000000000", b"x" * 21, b"\xff" * 21])
def test_a_bound_that_is_not_whole_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "heard").write_bytes(content)
    assert heard_file.load(tmp_path) is None


def test_a_lost_bound_is_replaced_by_what_else_is_known(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(7000)
    kept.book.close()
    (kept.directory / "heard").unlink()
    kept.open()
    kept.book.begin(90_000, 5000, CANADA)
    assert [gap.start for gap in kept.book.gaps()] == [5000]


def test_a_feed_has_no_gap_before_it_was_wanted(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(4000)
    kept.book.wants(BOTH, 6000)
    kept.book.lost("network", 9000)
    kept.book.connected(20_000, 20_000, BOTH)
    assert [(gap.feeds, gap.countries, gap.start, gap.end) for gap in kept.book.gaps()] == [
        (("all",), ("CA",), 4000, 6000),
        (("all", "uk"), ("CA", "GB"), 6000, 20_000),
    ]


def test_a_clock_of_x_that_was_ahead_does_not_hide_a_gap(kept: Kept) -> None:
    kept.book.connected(1000, 1000, CANADA)
    kept.hear(500_000)
    kept.book.lost("network", 9000)
    assert [gap.start for gap in kept.book.gaps()] == [9000]


def a_gap(kept: Kept, start: int, end: int) -> Gap:
    if not kept.book.gaps():
        kept.book.connected(start - 1, start - 1, CANADA)
    kept.hear(start)
    kept.book.lost("network", end)
    kept.book.connected(end, end, CANADA)
    return kept.book.gaps()[-1]


def test_kafka_is_told_when_a_gap_opens_ends_and_is_filled_also_after_a_restart(kept: Kept) -> None:
    kept.book.connected(999, 999, CANADA)
    kept.hear(1000)
    kept.book.lost("network", 2000)
    (opened,) = kept.book.unpublished()
    kept.book.connected(3000, 3000, CANADA)
    kept.book.published(opened)
    (ended,) = kept.book.unpublished()
    assert (opened.end, ended.end) == (None, 3000)
    kept.book.published(ended)
    assert kept.book.unpublished() == []
    kept.book.filled(ended, "search", 9000)
    kept.book.close()
    kept.open()
    (filled,) = kept.book.unpublished()
    assert (filled.filled_by, filled.filled_at, filled.open) == ("search", 9000, False)
    kept.book.published(filled)
    kept.book.close()
    kept.open()
    assert kept.book.unpublished() == []


def test_a_gap_that_opened_again_is_not_filled_by_what_was_fetched_before(kept: Kept) -> None:
    gap = a_gap(kept, 1000, 2000)
    kept.book.lost("network", 2500)
    kept.book.filled(gap, "search", 9000)
    assert kept.book.gaps()[0].open
    kept.book.connected(4000, 4000, CANADA)
    kept.book.filled(gap, "search", 9000)
    assert kept.book.gaps()[0].open
    kept.book.filled(kept.book.gaps()[0], "search", 9000)
    assert not kept.book.gaps()[0].open


def test_what_recent_search_reaches_may_be_filled_and_the_rest_is_given_up(kept: Kept) -> None:
    old, partly, young = (
        a_gap(kept, start, end) for start, end in ((1000, 2000), (3000, 9000), (20_000, 21_000))
    )
    rest = Gap("main-5000", "main", ("all",), ("CA",), 5000, 9000, "network")
    assert kept.book.fillable(5000, 50_000) == [rest, young]
    assert [gap.id for gap in kept.book.gaps() if "7 days" in gap.reason] == [old.id, partly.id]
    assert kept.book.fillable(5000, 10_000) == [rest]
    assert sum(gap.remaining_ms(0) for gap in kept.book.gaps()) == 8000


def test_the_gap_that_is_open_stays_the_last_one_when_an_old_one_is_divided(kept: Kept) -> None:
    a_gap(kept, 3000, 9000)
    kept.hear(20_000)
    kept.book.lost("network", 21_000)
    kept.book.fillable(5000, 50_000)
    kept.book.connected(30_000, 30_000, CANADA)
    assert [gap.end for gap in kept.book.gaps()] == [5000, 9000, 30_000]


def test_what_was_given_up_is_tried_once_more_after_a_restart(kept: Kept) -> None:
    gap = a_gap(kept, 1000, 2000)
    kept.book.give_up(gap, "recent search: X refuses with 403")
    assert kept.book.fillable(0, 9000) == []
    kept.book.close()
    kept.open()
    assert [again.reason for again in kept.book.fillable(0, 9000)] == ["recent search: X refuses with 403"]


def test_what_is_fetched_remains_fetched(kept: Kept) -> None:
    gap = a_gap(kept, 1000, 9000)
    kept.book.progress(gap, 4000)
    kept.book.close()
    kept.open()
    (again,) = kept.book.gaps()
    assert again.filled_until == 4000
    assert again.remaining_ms(0) == 5000
    wanted = kept.book.wanted_in(again)
    assert wanted is not None
    assert wanted.queries == CANADA.queries


@pytest.mark.parametrize("torn", [b'{"type":"gap","wan', b"\x00" * 40, b"nonsense\n"])
def test_a_torn_or_senseless_line_costs_nothing_else(kept: Kept, torn: bytes) -> None:
    gap = a_gap(kept, 1000, 2000)
    kept.book.close()
    path = kept.directory / gap_files.NAME
    with path.open("ab") as file:
        file.write(torn)
    kept.open()
    assert kept.book.gaps() == [gap]
    other = a_gap(kept, 5000, 6000)
    kept.book.close()
    kept.open()
    assert kept.book.gaps() == [gap, other]


def test_the_file_stays_small_and_forgets_what_is_filled_first(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gap_files, "KEPT", 50)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: None)
    for n in range(1, 400):
        gap = a_gap(kept, n * 1000, n * 1000 + 100)
        if n > 5:
            kept.book.filled(gap, "search", 1)
        kept.book.published(kept.book.gaps()[-1])
    kept.book.close()
    kept.open()
    assert len(kept.book.gaps()) <= 50
    assert [gap.start for gap in kept.book.gaps() if gap.open] == [1000, 2000, 3000, 4000, 5000]
    assert (kept.directory / gap_files.NAME).stat().st_size < 500_000
    assert GapFile(kept.directory).current == CANADA.named(999)


def test_a_gap_is_what_kafka_holds_of_it() -> None:
    gap = Gap("main-1", "main", ("all",), ("CA",), 1, None, "network")
    assert gaps.decode(gaps.encode(gap)) == gap
    assert gaps.key(gap) == b"main-1"
    assert msgspec.json.decode(gaps.encode(gap))["end"] is None
    assert (gaps.topic_name(""), gaps.topic_name("demo")) == ("gaps", "demo.gaps")
