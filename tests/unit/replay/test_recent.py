"""Recent search and counts find what was played, a page at a time, and answer as X does."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.messages import Message
from citypulse.replay.counts import counts
from citypulse.replay.files import SNOWFLAKE_EPOCH_MS
from citypulse.replay.history import History
from citypulse.replay.recent import asked, iso
from citypulse.replay.search import search

from .rules import UNHURRIED
from .served import COUNTS, SEARCH, STREAM, Served, rest, serving, truth

NOW = int(time.time()) * 1000
QUERY = "place_country:CA OR place_country:GB"


def post(created_ms: int, number: int = 0, **fields: Any) -> Message:
    """A post with an id of its time."""
    identity = ((created_ms - SNOWFLAKE_EPOCH_MS) << 22) + number
    return Message({"id": str(identity), "text": "cat", "created_at": iso(created_ms), **fields})


def kept(posts: list[Message]) -> History:
    history = History(3600, 1 << 24)
    for one in posts:
        history.add(one, int(time.time() * 1000))
    return history


def answer(history: History, endpoint: Any = search, **query: str) -> dict[str, Any]:
    query.setdefault("query", "cat")
    wanted = asked(query, longest=512, now_ms=NOW, delay_seconds=0)
    if endpoint is search:
        return dict(asyncio.run(search(query, wanted, history)))
    return dict(asyncio.run(counts(query, wanted, history, endpoint)))


def pages(history: History, endpoint: Any = search, **query: str) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        page = answer(history, endpoint, **query, **token)
        yield page
        if "next_token" not in page["meta"]:
            return
        token = {"next_token": page["meta"]["next_token"]}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recent")


@pytest.fixture(scope="module")
def played(directory: Path) -> Iterator[Served]:
    """Generated posts that have all been played, some to nobody and some in a gap."""
    config, script = directory / "replay.toml", directory / "faults.toml"
    config.write_text("[account]\nsearch = true\nsearch_delay_seconds = 0\n")
    script.write_text(
        '[[fault]]\nat_message = 200\nfault = "gap"\ncount = 30\n'
        '[[fault]]\nat_message = 400\nfault = "disconnect"\n'
    )
    arguments = ["--generate", "--count", "600", "--rate", "400", "--countries", "CA,GB,FR", "--hold"]
    truth_file = directory / "truth"
    with serving(
        directory, "--config", config, "--script", script, *arguments, "--truth", truth_file
    ) as running:
        running.add_rules(QUERY)
        rest(running.open("GET", STREAM))
        stream = running.open("GET", STREAM)
        running.wait(lambda status: status["state"] == "done", "the source has ended")
        stream.close()
        yield running


class TestAgainstTheTruth:
    def asked_for(self, served: Served, path: str, **query: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            status, body = served.ask("GET", f"{path}?{urlencode({**query, **token})}")
            assert status == 200, body
            yield body
            if "next_token" not in body["meta"]:
                return
            token = {"next_token": body["meta"]["next_token"]}

    def matched(self, directory: Path) -> set[str]:
        lines = [*truth(directory / "truth"), *truth(directory / "truth.undelivered")]
        return {line["message"]["data"]["id"] for line in lines}

    def test_search_counts_and_truth_agree(self, played: Served, directory: Path) -> None:
        ids = [
            found["id"]
            for page in self.asked_for(played, SEARCH, query=QUERY, max_results="50")
            for found in page["data"]
        ]
        totals = {
            granularity: sum(
                page["meta"]["total_tweet_count"]
                for page in self.asked_for(played, COUNTS, query=QUERY, granularity=granularity)
            )
            for granularity in ("minute", "hour", "day")
        }
        assert ids == sorted(ids, key=int, reverse=True)
        assert len(ids) == len(set(ids)) > 100
        assert set(ids) == self.matched(directory)
        assert set(totals.values()) == {len(ids)}

    def test_what_a_gap_withheld_is_found(self, played: Served, directory: Path) -> None:
        withheld = {
            line["message"]["data"]["id"]
            for line in truth(directory / "truth.undelivered")
            if line["cause"] == "gap"
        }
        found = {
            found["id"]
            for page in self.asked_for(played, SEARCH, query=QUERY, max_results="100")
            for found in page["data"]
        }
        assert withheld
        assert withheld <= found

    def test_counts_by_minute_are_those_of_the_posts_that_search_finds(self, played: Served) -> None:
        minutes: Counter[str] = Counter()
        wanted = {"query": QUERY, "max_results": "100", "tweet.fields": "created_at"}
        for page in self.asked_for(played, SEARCH, **wanted):
            minutes.update(found["created_at"][:16] for found in page["data"])
        (page,) = self.asked_for(played, COUNTS, query=QUERY, granularity="minute")
        counted = {bucket["start"][:16]: bucket["tweet_count"] for bucket in page["data"]}
        assert +Counter(counted) == minutes

    def test_fields_and_expansions_are_as_on_the_stream(self, played: Served) -> None:
        query = {"query": QUERY, "tweet.fields": "geo", "expansions": "geo.place_id", "max_results": "100"}
        status, body = played.ask("GET", f"{SEARCH}?{urlencode({**query, 'place.fields': 'country_code'})}")
        assert status == 200
        assert set(body) == {"data", "includes", "meta"}
        places = body["includes"]["places"]
        assert {p["country_code"] for p in places} == {"CA", "GB"}
        assert len({p["id"] for p in places}) == len(places)
        assert {found["geo"]["place_id"] for found in body["data"]} == {p["id"] for p in places}
        assert "matching_rules" not in body["data"][0]
        meta = body["meta"]
        assert (meta["newest_id"], meta["oldest_id"]) == (body["data"][0]["id"], body["data"][-1]["id"])
        assert meta["result_count"] == len(body["data"])

    def test_status_tells_what_is_kept(self, played: Served) -> None:
        kept = played.status()["history"]
        assert 0 < kept["posts"] <= 600
        assert kept["bytes"] > 0
        assert kept["since"] <= time.time() * 1000


class TestPages:
    @UNHURRIED
    @given(
        offsets=st.lists(st.tuples(st.integers(0, 4000), st.booleans()), max_size=150),
        most=st.integers(10, 30),
        start=st.integers(0, 5000),
        span=st.integers(0, 5000),
    )
    def test_all_pages_together_are_the_matching_posts_of_the_span_newest_first(
        self, offsets: list[tuple[int, bool]], most: int, start: int, span: int
    ) -> None:
        posts = [
            post(NOW - 5_000_000 + offset * 1000, n, text="cat" if cat else "dog")
            for n, (offset, cat) in enumerate(offsets)
        ]
        history = kept(posts)
        first, last = NOW - 5_000_000 + start * 1000, min(NOW, NOW - 5_000_000 + (start + span) * 1000)
        times = {"start_time": iso(first), "end_time": iso(last)}
        expected = sorted(
            (
                int(one.data["id"])
                for one, (offset, cat) in zip(posts, offsets, strict=True)
                if cat and first <= NOW - 5_000_000 + offset * 1000 < last
            ),
            reverse=True,
        )
        found = [
            int(item["id"])
            for page in pages(history, max_results=str(most), **times)
            for item in page.get("data", [])
        ]
        assert found == expected
        for granularity in ("minute", "hour", "day"):
            buckets = [
                bucket
                for page in list(pages(history, 7, granularity=granularity, **times))[::-1]
                for bucket in page["data"]
            ]
            assert sum(bucket["tweet_count"] for bucket in buckets) == len(expected)
            assert [bucket["start"] for bucket in buckets[1:]] == [bucket["end"] for bucket in buckets[:-1]]
            if first < last:
                assert (buckets[0]["start"], buckets[-1]["end"]) == (iso(first), iso(last))

    def test_a_page_stays_as_it_was_though_more_is_played(self) -> None:
        history = kept([post(NOW - 100_000 + n * 1000, n) for n in range(25)])
        first = answer(history, max_results="10")
        for n in range(25):
            history.add(post(NOW - 20_000 + n, n), NOW)
        second = answer(history, max_results="10", next_token=first["meta"]["next_token"])
        third = answer(history, max_results="10", pagination_token=second["meta"]["next_token"])
        ids = [int(item["id"]) for page in (first, second, third) for item in page["data"]]
        assert ids == sorted(ids, reverse=True)
        assert [page["meta"]["result_count"] for page in (first, second, third)] == [10, 10, 5]
        assert "next_token" not in third["meta"]

    def test_nothing_found_is_an_answer_without_data(self) -> None:
        assert answer(kept([])) == {"meta": {"result_count": 0}}

    def test_ids_bound_what_is_found_and_are_not_in_it(self) -> None:
        posts = [post(NOW - 100_000 + n * 1000, n) for n in range(6)]
        ids = [one.data["id"] for one in posts]
        found = answer(kept(posts), since_id=ids[1], until_id=ids[4])
        assert [item["id"] for item in found["data"]] == [ids[3], ids[2]]
        assert answer(kept(posts), 99, since_id=ids[1], until_id=ids[4])["meta"]["total_tweet_count"] == 2

    def test_a_copy_of_a_post_is_found_once(self) -> None:
        one = post(NOW - 60_000)
        assert answer(kept([one, one]))["meta"]["result_count"] == 1

    def test_counts_have_buckets_of_whole_hours_and_the_ends_of_the_span(self) -> None:
        day = NOW // 86_400_000 * 86_400_000 - 86_400_000
        history = kept([post(day + 3_600_000 * hour + 600_000, hour) for hour in (1, 2, 2 + 1)])
        start, end = iso(day + 3_600_000 + 300_000), iso(day + 4 * 3_600_000)
        found = answer(history, 99, start_time=start, end_time=end)
        assert [(b["start"][11:16], b["end"][11:16], b["tweet_count"]) for b in found["data"]] == [
            ("01:05", "02:00", 1),
            ("02:00", "03:00", 1),
            ("03:00", "04:00", 1),
        ]
        assert found["meta"] == {"total_tweet_count": 3}

    def test_counts_of_more_buckets_than_a_page_begin_with_the_newest(self) -> None:
        history = kept([post(NOW - 30 * 60_000), post(NOW - 90_000)])
        found = list(pages(history, 20, granularity="minute", start_time=iso(NOW - 45 * 60_000)))
        assert [page["meta"]["total_tweet_count"] for page in found] == [1, 1, 0]
        assert [len(page["data"]) for page in found][:2] == [20, 20]

    def test_posts_that_x_had_matched_match_any_query_as_they_match_any_rule(self) -> None:
        one = post(NOW - 60_000, text="no cat at all")
        one.matching_rules = [{"id": "1", "tag": ""}]
        assert answer(kept([one]), query="hockey")["meta"]["result_count"] == 1


class TestHistory:
    def test_it_keeps_no_more_bytes_than_it_may_and_the_newest(self) -> None:
        history = History(3600, 20_000)
        for n in range(2000):
            history.add(post(NOW - 3_000_000 + n * 1000, n), int(time.time() * 1000))
            assert history.bytes <= 20_000
        found = [item["id"] for page in pages(history, max_results="100") for item in page["data"]]
        assert len(found) == len(history) > 50
        assert found == [
            post(NOW - 3_000_000 + n * 1000, n).data["id"] for n in range(1999, 1999 - len(found), -1)
        ]

    def test_what_was_played_too_long_ago_is_not_found(self) -> None:
        history, now = History(60, 1 << 20), int(time.time() * 1000)
        history.add(post(NOW - 200_000, 1), now - 61_000)
        history.add(post(NOW - 300_000, 2), now - 30_000)
        assert [item["id"] for item in answer(history)["data"]] == [post(NOW - 300_000, 2).data["id"]]
        assert [one.id for one in history.played_since(0)] == [int(post(NOW - 300_000, 2).data["id"])]

    def test_what_was_played_too_long_ago_is_forgotten(self) -> None:
        history = History(60, 1 << 20)
        for n in range(200):
            history.add(post(NOW - 400_000, n), NOW - 200_000 + n * 1000)
        assert 60 <= len(history) <= 65
