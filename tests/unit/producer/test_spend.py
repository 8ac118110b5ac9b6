"""What X delivered is counted across restarts and crashes, by UTC day and month; never too little."""

import datetime
from pathlib import Path

import pytest

from citypulse.producer import metrics
from citypulse.producer import spend as spending
from citypulse.producer.config import Spend as Limits
from citypulse.producer.journal.writer import Writer
from citypulse.producer.spend import Spend


class Journal:
    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.unjournaled = 0

    @property
    def durable(self) -> int:
        return self.writer.next_sequence


class Clock:
    def __init__(self, kept: "Kept") -> None:
        self.kept, self.answered = kept, True

    def now(self) -> int:
        return int(self.kept.now * 1000)


class Kept:
    def __init__(self, directory: Path, limits: Limits) -> None:
        self.directory, self.limits = directory, limits
        self.now = at("2026-10-30T12:00:00")
        self.clock = Clock(self)
        self.writer = Writer(directory, 1 << 20)
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.writer)
        self.spend = Spend(self.directory, self.limits, self.journal, self.clock)

    def deliver(self, posts: int) -> None:
        self.writer.append([(int(self.now * 1000), b"{}")] * posts)
        self.spend.count(posts)

    @property
    def used(self) -> tuple[int, int]:
        return self.spend._counts.day_posts, self.spend._counts.month_posts


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text + "+00:00").timestamp()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path, Limits(posts_per_day=100, posts_per_month=150, price_per_post=0.005))


def test_nothing_is_said_before_the_limit_and_what_to_do_at_it(kept: Kept) -> None:
    kept.deliver(99)
    assert kept.spend.spent() == ""
    kept.deliver(1)
    text = kept.spend.spent()
    assert "spend.posts_per_day = 100" in text
    assert "SIGHUP" in text
    assert "\n" not in text


def test_a_new_day_lets_reading_go_on_until_the_month_is_spent(kept: Kept) -> None:
    kept.deliver(100)
    kept.now = at("2026-10-31T00:00:00")
    assert kept.spend.spent() == ""
    kept.deliver(50)
    assert "spend.posts_per_month = 150" in kept.spend.spent()
    kept.now = at("2026-11-01T00:00:00")
    assert kept.spend.spent() == ""
    assert kept.used == (0, 0)


def test_no_limit_is_never_reached(tmp_path: Path) -> None:
    kept = Kept(tmp_path, Limits())
    kept.deliver(10_000)
    assert kept.spend.spent() == ""


def test_a_raised_limit_counts_at_once(kept: Kept) -> None:
    kept.deliver(100)
    kept.spend.limit(Limits(posts_per_day=101))
    assert kept.spend.spent() == ""


def test_a_restart_goes_on_counting(kept: Kept) -> None:
    kept.deliver(60)
    kept.spend.write()
    kept.open()
    assert kept.used == (60, 60)


def test_what_was_journaled_after_the_last_write_is_counted_after_a_crash(kept: Kept) -> None:
    kept.deliver(10)
    kept.spend.write()
    kept.deliver(25)
    kept.open()
    assert kept.used == (35, 35)


def test_what_was_waiting_for_the_disk_is_not_counted_twice(kept: Kept) -> None:
    kept.deliver(10)
    kept.journal.unjournaled = 5
    kept.spend.count(5)
    kept.spend.write()
    kept.writer.append([(int(kept.now * 1000), b"{}")] * 5)
    kept.open()
    assert kept.used == (15, 15)


def test_a_crash_around_midnight_gives_each_day_its_own(kept: Kept) -> None:
    kept.now = at("2026-10-31T23:59:59")
    kept.deliver(3)
    kept.spend.write()
    kept.deliver(4)
    kept.now = at("2026-11-01T00:00:01")
    kept.deliver(2)
    kept.open()
    assert kept.used == (2, 2)


def test_a_clock_that_is_set_back_gives_no_money_twice(kept: Kept) -> None:
    kept.deliver(100)
    kept.now = at("2026-10-29T12:00:00")
    assert kept.spend.spent()


def test_this_hosts_clock_ends_no_period_before_x_has_told_the_time(kept: Kept) -> None:
    kept.deliver(100)
    kept.spend.write()
    kept.clock.answered = False
    kept.now = at("2027-10-30T12:00:00")
    kept.open()
    # It may be: then one must connect to know.
    assert kept.spend.spent() == ""
    kept.clock.answered = True
    kept.now = at("2026-10-30T13:00:00")
    assert "spend.posts_per_day = 100" in kept.spend.spent()


def test_a_period_that_a_wrong_clock_has_begun_ends_when_the_right_one_does(kept: Kept) -> None:
    kept.now = at("2027-10-30T12:00:00")
    kept.deliver(100)
    kept.now = at("2026-10-30T12:00:00")
    assert kept.spend.spent()
    assert kept.used == (100, 100)
    kept.now = at("2026-10-31T00:00:01")
    assert kept.spend.spent() == ""
    assert kept.used == (0, 100)


def test_a_file_that_cannot_be_read_begins_anew_and_stops_nothing(kept: Kept) -> None:
    kept.deliver(10)
    (kept.directory / spending.NAME).write_text("{torn")
    kept.open()
    assert kept.used == (0, 0)


def test_it_is_warned_once_at_four_fifths(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    kept.deliver(79)
    assert "reading stops" not in capsys.readouterr().out
    kept.deliver(1)
    kept.deliver(1)
    assert capsys.readouterr().out.count("reading stops") == 1


def test_the_numbers_are_metrics(kept: Kept) -> None:
    kept.deliver(40)
    value = metrics.registry.get_sample_value
    assert value("citypulse_producer_spend_posts", {"period": "day"}) == 40
    assert value("citypulse_producer_spend_limit_posts", {"period": "month"}) == 150
    assert value("citypulse_producer_spend_usd", {"period": "month"}) == pytest.approx(0.2)
