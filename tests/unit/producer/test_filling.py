"""Gaps are filled through recent search: each post once, tagged as the stream would, beside the stream."""

import datetime
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from citypulse.producer import message
from citypulse.producer import spend as spending
from citypulse.producer.config import Config, Feed, Spend, X
from citypulse.producer.config import Journal as JournalConfig
from citypulse.producer.gaps import filling
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.filling import Filling
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import XClient
from citypulse.producer.stream.subscription import wanted
from citypulse.producer.stream.xclock import XClock

from .fake_x import BEARER, Answer, FakeX, serving

DEADLINE = 30.0
EPOCH_MS = 1288834974657
CONFIG = Config(
    feeds=(Feed("all", ("CA", "GB")), Feed("cats", query="cats", topic="tweets.cats")),
    journal=JournalConfig("j"),
)
PLACE = {"id": "36775d842cbec509", "country_code": "CA", "place_type": "city", "full_name": "Montréal"}


def post_at(ms: int, n: int = 0) -> dict[str, Any]:
    return {"id": str((ms - EPOCH_MS << 22) + n), "text": "not to be kept", "geo": {"place_id": PLACE["id"]}}


class Archive:
    """What recent search finds: posts by the query that they match, two to a page, newest first."""

    def __init__(self, posts: dict[str, list[dict[str, Any]]]) -> None:
        self.posts = posts

    def __call__(self, query: dict[str, str]) -> Answer:
        assert query["max_results"] == "100"
        assert query["expansions"] == "geo.place_id"
        assert "edit_history_tweet_ids" in query["tweet.fields"]
        start, end = (ms(query[name]) for name in ("start_time", "end_time"))
        found = [post for post in self.posts.get(query["query"], []) if start <= created(post) < end]
        found.sort(key=created, reverse=True)
        offset = int(query.get("next_token", "0"))
        page = found[offset : offset + 2]
        meta: dict[str, Any] = {"result_count": len(page)}
        if offset + 2 < len(found):
            meta["next_token"] = str(offset + 2)
        if not page:
            return 200, {"meta": meta}
        return 200, {"data": page, "includes": {"places": [PLACE]}, "meta": meta}


def ms(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def created(post: dict[str, Any]) -> int:
    return (int(post["id"]) >> 22) + EPOCH_MS


class Running:
    """A real journal, a book with one gap, and the search that fills it."""

    def __init__(
        self, directory: Path, server: FakeX, *, limit: int = 0, max_bytes: int = 1 << 30, **x: Any
    ) -> None:
        self.directory, self.server = directory, server
        self.x = X(base_url=server.url, search=True, **{"search_margin_seconds": 60.0} | x)
        self.writer = Writer(directory, 1 << 20)
        self.committer = Committer(self.writer, 100, 0.01, max_bytes, "drop_newest")
        self.thread = threading.Thread(target=self.committer.run, daemon=True)
        self.thread.start()
        self.heard = Heard(directory, self.committer)
        self.book = GapBook(directory, "main", self.heard)
        self.spend = spending.Spend(directory, Spend(posts_per_day=limit), self.committer, XClock())
        self.stopping = threading.Event()
        self.slept: list[float] = []
        self.wanted = wanted(CONFIG, rules.configured(CONFIG))

    def gap(self, start: int, end: int) -> None:
        self.book.connected(start, start, self.wanted)
        self.book.lost("network", start + 1)
        self.book.connected(end, end, self.wanted)

    def filling(self) -> Filling:
        client = XClient(self.x, BEARER)
        client.clock.answered = True
        return Filling(
            self.x, self.directory, client, self.book, self.committer, self.spend, self.stopping, self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        time.sleep(min(seconds, 0.01))

    def journaled(self) -> list[dict[str, Any]]:
        reader = Reader(self.directory, 1, lambda *gap: pytest.fail(f"corrupt: {gap}"))
        records = reader.read(None, 100_000, 1 << 30)
        reader.close()
        return [json.loads(record.payload) for record in records]

    def put(self, post: dict[str, Any], at: int) -> None:
        line = json.dumps({"data": post, "matching_rules": [{"tag": "citypulse/main/all/1"}]}).encode()
        self.committer.put(at, [line], lambda: False)
        until(lambda: not self.committer.unjournaled, "the post on disk")

    def close(self) -> None:
        self.book.close()
        self.committer.close()
        self.thread.join(DEADLINE)
        self.writer.close()


def until(done: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < end, f"{what} did not happen within {DEADLINE:g} s"
        time.sleep(0.005)


@pytest.fixture
def server() -> Iterator[FakeX]:
    with serving(lambda connection: connection.refuse(503)) as running:
        yield running


PLACES_QUERY = "(place_country:CA OR place_country:GB)"
NOW = int(time.time() * 1000)
GAP = (NOW - 700_000, NOW - 100_000)


def test_every_post_of_the_gap_is_journaled_once_with_the_tags_of_all_its_rules(
    tmp_path: Path, server: FakeX
) -> None:
    both, one, late = post_at(GAP[0] + 5000), post_at(GAP[1] - 5000), post_at(GAP[0] - 30_000)
    before, after = post_at(GAP[0] - 90_000), post_at(GAP[1] + 3000)
    server.search = Archive({PLACES_QUERY: [both, one, late, before, after], "cats": [both]})
    running = Running(tmp_path, server)
    running.gap(*GAP)
    running.filling().fill_all()
    found = running.journaled()
    running.close()
    assert [entry["data"] for entry in found] == [late, both, one]
    assert all(entry["includes"] == {"places": [PLACE]} for entry in found)
    assert [[rule["tag"] for rule in entry["matching_rules"]] for entry in found] == [
        ["citypulse/main/all/1"],
        ["citypulse/main/all/1", "citypulse/main/cats/1"],
        ["citypulse/main/all/1"],
    ]
    (gap,) = running.book.gaps()
    assert (gap.filled_by, gap.filled_until) == ("search", GAP[1])
    assert running.spend._counts.day_posts == 4


def test_what_it_finds_becomes_the_events_that_the_stream_would_have_brought(
    tmp_path: Path, server: FakeX
) -> None:
    server.search = Archive({PLACES_QUERY: [post_at(GAP[0] + 5000)], "cats": [post_at(GAP[0] + 5000)]})
    running = Running(tmp_path, server)
    running.gap(*GAP)
    running.filling().fill_all()
    (found,) = running.journaled()
    running.close()
    parsed = message.parser(CONFIG, rules.configured(CONFIG))(json.dumps(found).encode(), NOW)
    assert [(topic, event.feeds, event.city) for topic, event in parsed.deliveries] == [
        ("tweets", ["all"], "CA:36775d842cbec509"),
        ("tweets.cats", ["cats"], "CA:36775d842cbec509"),
    ]


def test_what_the_journal_holds_already_is_not_journaled_again(tmp_path: Path, server: FakeX) -> None:
    known, new = post_at(GAP[0] - 10_000), post_at(GAP[0] + 10_000)
    server.search = Archive({PLACES_QUERY: [known, new]})
    running = Running(tmp_path, server)
    running.put(known, GAP[0] - 9000)
    running.gap(*GAP)
    running.filling().fill_all()
    found = running.journaled()
    running.close()
    assert [entry["data"] for entry in found] == [known, new]


def test_what_a_full_journal_drops_is_not_taken_for_filled(tmp_path: Path, server: FakeX) -> None:
    post = post_at(GAP[0] + 5000)

    def found(query: dict[str, str]) -> Answer:
        # The journal becomes full while X is asked.
        running.committer.put(NOW, [b"x" * 5000], lambda: False)
        until(lambda: running.committer.full == "size", "the journal full")
        return Archive({PLACES_QUERY: [post]})(query)

    server.search = found
    running = Running(tmp_path, server, max_bytes=4000)
    running.gap(*GAP)
    filler = running.filling()
    with pytest.raises(filling._StoppedError):
        filler.fill_all()
    (gap,) = running.book.gaps()
    assert gap.open
    assert gap.filled_until < gap.start + 5000
    asked = len(server.asked)
    filler.fill_all()
    assert len(server.asked) == asked
    running.close()


def test_nothing_is_given_up_before_x_has_told_the_time(tmp_path: Path, server: FakeX) -> None:
    running = Running(tmp_path, server)
    running.gap(*GAP)
    filler = running.filling()
    year = 366 * 86400
    filler._client.clock = XClock(lambda: time.time() + year)
    filler.fill_all()
    (gap,) = running.book.gaps()
    assert (gap.open, gap.reason, server.asked) == (True, "", [])
    running.close()


def test_a_gap_that_has_just_ended_waits_for_xs_index(tmp_path: Path, server: FakeX) -> None:
    running = Running(tmp_path, server, search_delay_seconds=3600.0)
    running.gap(*GAP)
    running.filling().fill_all()
    assert server.asked == []
    assert running.book.gaps()[0].open
    running.close()


def test_a_gap_within_reach_of_backfill_is_left_to_it(tmp_path: Path, server: FakeX) -> None:
    running = Running(tmp_path, server, backfill_minutes=5)
    now = time.time_ns() // 1_000_000
    running.gap(now - 200_000, now - 100_000)
    running.filling().fill_all()
    assert server.asked == []
    running.close()


def test_rate_limits_and_failures_are_waited_out(tmp_path: Path, server: FakeX) -> None:
    archive = Archive({PLACES_QUERY: [post_at(GAP[0] + 5000)]})
    answers: list[Answer] = [
        (429, {"title": "Too Many Requests"}),
        (503, {"title": "Unavailable"}),
        (200, {"data": 1}),
    ]
    server.search = lambda query: answers.pop(0) if answers else archive(query)
    running = Running(tmp_path, server)
    running.gap(*GAP)
    running.filling().fill_all()
    assert len(running.journaled()) == 1
    assert [seconds for seconds in running.slept if seconds > 1] == [60, 120, 240]
    assert not running.book.gaps()[0].open
    running.close()


@pytest.mark.parametrize("status", [400, 403])
def test_what_x_refuses_stays_open_with_its_reason(tmp_path: Path, server: FakeX, status: int) -> None:
    server.search = lambda _query: (status, {"title": "Forbidden", "detail": "not in your plan"})
    running = Running(tmp_path, server)
    running.gap(*GAP)
    filler = running.filling()
    filler.fill_all()
    filler.fill_all()
    assert len(server.asked) == 1
    (gap,) = running.book.gaps()
    assert gap.open
    assert f"{status}" in gap.reason
    assert "not in your plan" in gap.reason
    running.close()


def test_a_search_that_is_interrupted_goes_on_where_it_was(
    tmp_path: Path, server: FakeX, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "SLICE_MS", 100_000)
    posts = [post_at(GAP[0] + n * 60_000) for n in range(10)]
    archive = Archive({PLACES_QUERY: posts})
    running = Running(tmp_path, server)

    def stops_in_the_middle(query: dict[str, str]) -> Answer:
        if len(server.asked) > 8:
            running.stopping.set()
        return archive(query)

    server.search = stops_in_the_middle
    running.gap(*GAP)
    running.filling().run()
    running.close()
    (gap,) = running.book.gaps()
    assert gap.open
    assert GAP[0] < gap.filled_until < GAP[1]

    server.search = archive
    asked = len(server.asked)
    running = Running(tmp_path, server)
    running.filling().fill_all()
    first = ms(server.asked[asked]["start_time"])
    assert gap.filled_until - 62_000 <= first <= gap.filled_until - 60_000
    ids = [entry["data"]["id"] for entry in running.journaled()]
    assert set(ids) == {post["id"] for post in posts}
    assert not running.book.gaps()[0].open
    running.close()


def test_no_more_is_searched_than_may_be_spent(tmp_path: Path, server: FakeX) -> None:
    server.search = Archive({PLACES_QUERY: [post_at(GAP[0] + n * 1000) for n in range(20)]})
    running = Running(tmp_path, server, limit=3)
    running.gap(*GAP)
    thread = threading.Thread(target=running.filling().run, daemon=True)
    thread.start()
    until(lambda: len(running.slept) > 3, "waiting for money")
    assert running.spend._counts.day_posts == 4
    assert running.book.gaps()[0].open
    running.spend.limit(Spend())
    until(lambda: not running.book.gaps()[0].open, "the rest")
    running.stopping.set()
    thread.join(DEADLINE)
    running.close()


def test_a_gap_older_than_x_remembers_stays_open(tmp_path: Path, server: FakeX) -> None:
    running = Running(tmp_path, server)
    day = 24 * 3600 * 1000
    running.gap(NOW - 9 * day, NOW - 8 * day)
    running.filling().fill_all()
    assert server.asked == []
    assert "7 days" in running.book.gaps()[0].reason
    running.close()
