"""The recount of the topics: what counts, what is open, and what retention has cut."""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from kafka import TopicPartition
from msgspec import json

from citypulse.events.event import Event, encode
from citypulse.spark import kept
from citypulse.spark.verify import records, topic
from citypulse.spark.verify.pending import Due
from citypulse.spark.verify.tally import Cell, City

from .tweets import CITIES, START, tweet

WINDOW = START - 299_000
DAY_MS = 86_400_000
ONE, TWO = TopicPartition("tweets", 0), TopicPartition("tweets", 1)


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


class Broker:
    """Stands for a consumer: partitions with records, the first of which may be gone."""

    def __init__(self, held: dict[TopicPartition, list[Record]], at_once: int = 2) -> None:
        self.held, self.at_once = held, at_once
        self.at: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()

    def beginning_offsets(self, some: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.held[one][0].offset if self.held[one] else 5 for one in some}

    def end_offsets(self, some: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {one: self.held[one][-1].offset + 1 if self.held[one] else 5 for one in some}

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {
            one: next((record for record in self.held[one] if record.timestamp >= at), None)
            for one, at in times.items()
        }

    def assign(self, some: Iterable[TopicPartition]) -> None:
        self.at = dict.fromkeys(some, 0)
        self.paused = set()

    def seek(self, one: TopicPartition, offset: int) -> None:
        self.at[one] = offset

    def seek_to_beginning(self, *some: TopicPartition) -> None:
        self.at.update(self.beginning_offsets(some))

    def position(self, one: TopicPartition) -> int:
        return self.at[one]

    def pause(self, one: TopicPartition) -> None:
        self.paused.add(one)

    def resume(self, *some: TopicPartition) -> None:
        self.paused -= set(some)

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        answer = {}
        for one in self.at.keys() - self.paused:
            found = [record for record in self.held[one] if record.offset >= self.at[one]][: self.at_once]
            if found:
                answer[one] = found
                self.at[one] = found[-1].offset + 1
        return answer


def record(offset: int, event: Event | bytes | None, appended: int = START + 1000) -> Record:
    return Record(offset, appended, encode(event) if isinstance(event, Event) else event)


def counted(
    held: dict[TopicPartition, list[Record]],
    committed: dict[TopicPartition, int] | None = None,
    due: Due | None = None,
) -> topic.Counted:
    broker = Broker(held)
    start, end = broker.beginning_offsets(held), broker.end_offsets(held)
    return topic.count(
        broker,
        start,
        end,
        committed if committed is not None else end,
        wanted=lambda window: True,
        pending=(due or Due()).holds,
        names={f"{CITIES[0][0]}:{CITIES[0][1]}": City("Montréal, Québec", 1.0, 2.0)},
    )


def test_of_copies_that_differ_the_lowest_offset_counts() -> None:
    first, second = tweet(1, author=7).event, tweet(1, author=8, place=CITIES[3]).event
    for order, user in (((first, second), 7), ((second, first), 8)):
        held = {ONE: [record(number, event) for number, event in enumerate(order)]}
        assert counted(held).recount.cells["all", "*", "", WINDOW] == Cell(1, 1, users={user})


def test_a_retweet_counts_in_retweets_alone() -> None:
    original = tweet(1).event
    held = {ONE: [record(0, original), record(1, tweet(2, author=9, retweet_of=original).event)]}
    for place in (("CA", "CA:36775d842cbec509"), ("CA", ""), ("*", "")):
        assert counted(held).recount.cells[("all", *place, WINDOW)] == Cell(1, 1, users={7}, retweets=1)


def test_a_retweet_of_an_unknown_original_counts_nowhere() -> None:
    assert counted({ONE: [record(0, tweet(1, kinds=["retweeted"]).event)]}).recount.cells == {}


@pytest.mark.parametrize(
    "value",
    [None, b"", b"not JSON", b'"text"', b"[1]", b"{}", b'{"post": "1", "at": 1, "feeds": []}', b"\xff\xfe"]
    + [
        json.encode({"post": post, "at": at, "feeds": feeds, "country": "CA"})
        for post, at, feeds in ((1, -1, ["all"]), (1, 10**17, ["all"]), (1 << 63, 1, ["all"]), (1, 1, None))
    ]
    + [json.encode({"post": 1, "at": 1, "feeds": feeds}) for feeds in ([None], [""], ["x" * 256])]
    + [json.encode({"post": 1, "at": 1, "feeds": [], "country": country}) for country in ("", "*", "x" * 256)]
    + [json.encode({"post": True, "at": 1, "feeds": ["all"], "country": "CA"})],
)
def test_what_is_no_event_counts_nowhere_and_is_counted_as_such(value: bytes | None) -> None:
    result = counted({ONE: [record(0, value), record(1, tweet(1).event)]})
    assert (result.aside, result.records) == ({("tweets", 0, 0): "unusable"}, 2)
    assert result.recount.cells["all", "*", "", WINDOW].tweets == 1


@pytest.mark.parametrize(("ahead", "tweets"), [(300_000, 1), (300_001, 0)])
def test_more_than_five_minutes_ahead_of_the_broker_is_the_future(ahead: int, tweets: int) -> None:
    result = counted({ONE: [record(0, tweet(1).event, appended=START - ahead)]})
    assert len(result.recount.posts()) == tweets
    assert list(result.aside.values()) == ["future"] * (1 - tweets)


def test_only_post_time_and_feeds_make_an_event() -> None:
    value = json.encode(
        {"post": 1, "at": START, "feeds": ["all", "all"], "country": "CA", "author": "x"}
        | {"refs": ["?", {"type": "quoted"}]}
    )
    cell = counted({ONE: [record(0, value)]}).recount.cells["all", "CA", "", WINDOW]
    assert cell == Cell(tweets=1, quotes=1, unresolved=1)


def test_what_the_job_has_not_committed_is_open() -> None:
    held = {
        ONE: [record(number, tweet(number, author=number).event) for number in range(3)],
        TWO: [record(number, tweet(10 + number, author=10 + number).event) for number in range(3)],
    }
    result = counted(held, committed={ONE: 1, TWO: 3})
    assert result.not_committed == 2
    key = ("all", "CA", "", WINDOW)
    assert result.recount.cells[key].tweets == 6
    assert result.recount.settled[key].users == {0, 10, 11, 12}
    assert counted(held).recount.settled == {}
    assert counted(held, committed={}).recount.settled[key] == Cell()


def test_what_is_in_a_window_on_the_recount_list_is_open_there_and_for_all_countries() -> None:
    made = [tweet(1), tweet(2, place=CITIES[3]), tweet(3, at=START + 1000)]
    held = {ONE: [record(number, one.event) for number, one in enumerate(made)]}
    settled = counted(held, due=Due({("all", "CA", WINDOW): "late"})).recount.settled
    assert settled["all", "CA", "", WINDOW] == Cell()
    assert settled["all", "*", "", WINDOW].tweets == 1
    assert {key[1] for key in settled} == {"CA", "*"}
    assert {key[3] for key in settled} == {WINDOW}
    every = counted(held, due=Due({("*", "*", WINDOW): "retention"})).recount.settled
    assert {key[1] for key in every} == {"CA", "GB", "*"}
    assert counted(held, due=Due({("vote", "CA", WINDOW): "late"})).recount.settled == {}


def test_cities_have_names_and_the_times_of_their_first_and_last_tweet() -> None:
    original = tweet(1).event
    made = [original, tweet(2, at=START + 5).event, tweet(3, at=START + 9, retweet_of=original).event]
    found = counted({ONE: [record(number, event) for number, event in enumerate(made)]}).recount.cities
    assert found == {
        ("CA", "CA:36775d842cbec509"): City("Montréal, Québec", 1.0, 2.0, START, START + 5, START, START + 5)
    }


class TestWhatIsKept:
    def test_nothing_is_cut_while_every_partition_begins_at_0(self) -> None:
        held = {ONE: [record(0, b"")], TWO: [record(0, b"")]}
        assert kept.whole_after(Broker(held), list(held), DAY_MS) is None

    def test_a_head_that_is_gone_may_hold_events_of_5_minutes_after_the_first_record(self) -> None:
        held = {
            ONE: [record(9, b"", appended=1_000_000), record(10, b"", appended=2_000_000)],
            TWO: [record(0, b"", appended=9_000_000)],
        }
        assert kept.whole_after(Broker(held), list(held), DAY_MS) == 1_000_000 + 300_000

    def test_a_partition_of_which_nothing_is_left_lost_it_a_retention_ago_or_any_time(self) -> None:
        after = kept.whole_after(Broker({ONE: [], TWO: [record(0, b"")]}), [ONE, TWO], DAY_MS)
        assert after is not None
        assert abs(after - (time.time() * 1000 - DAY_MS + 300_000)) < 60_000

    def test_a_time_is_found_in_each_partition_or_its_beginning_is(self) -> None:
        """The client says the same of a partition that it could not ask: nothing may be left out for it."""
        held = {ONE: [record(3, b"", appended=50), record(4, b"", appended=70)], TWO: [record(0, b"", 10)]}
        assert kept.offsets_at(Broker(held), [ONE, TWO], 60) == {ONE: 4, TWO: 0}

    def test_brokers_are_asked_again_until_they_have_said_it_of_every_partition(self) -> None:
        answers = iter([KeyError(ONE), KeyError(ONE), {ONE: 7}])

        class Moving(Broker):
            def end_offsets(self, some: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
                answer = next(answers)
                if isinstance(answer, KeyError):
                    raise answer
                return answer

        assert kept.ends(Moving({}), [ONE]) == {ONE: 7}


def test_the_same_limits_hold_for_reading_and_for_what_is_kept() -> None:
    """A window is whole only if what is gone cannot have counted in it."""
    assert records.AHEAD_MS == kept.AHEAD_MS
