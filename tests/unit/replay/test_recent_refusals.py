"""What recent search and counts refuse, and how, is as X does it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from citypulse.replay.recent import iso

from .served import COUNTS, SEARCH, STREAM, Served, serving, stored, tweet

NOW = int(time.time()) * 1000


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("refusals")
    arguments = ["--tweets", stored(directory / "tweets.json", tweet(1)), "--search"]
    with serving(directory, *arguments, tokens=["one", "two"]) as running:
        yield running


@pytest.mark.parametrize("path", [SEARCH, COUNTS])
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({}, "The `query` query parameter can not be empty"),
        ({"query": "lang:en"}, "cannot be used as a standalone operator"),
        ({"query": "a" * 513}, "513 characters long; the maximum is 512"),
        ({"query": "cat", "wings": "1"}, "The query parameter [wings] is not one of ["),
        (
            {"query": "cat", "start_time": "soon"},
            "`start_time` query parameter value [soon] is not a valid time",
        ),
        ({"query": "cat", "start_time": "2026-01-01T00:00:00"}, "is not a valid time"),
        ({"query": "cat", "start_time": "2020-01-01T00:00:00Z"}, "'start_time' must be on or after 20"),
        ({"query": "cat", "end_time": "2020-01-01T00:00:00Z"}, "'end_time' leave no time between them"),
        (
            {"query": "cat", "end_time": "2999-01-01T00:00:00Z"},
            "'end_time' must be a minimum of 10 seconds prior to the request time",
        ),
        ({"query": "cat", "since_id": "x"}, "The `since_id` query parameter value [x] is not valid"),
        ({"query": "cat", "since_id": "1"}, "'since_id' must be a tweet id created after 20"),
        (
            {"query": "cat", "until_id": "1", "start_time": iso(NOW - 60_000)},
            "Invalid use of 'since_id' or 'until_id' in conjunction with 'start_time' or 'end_time'.",
        ),
        ({"query": "cat", "next_token": "?"}, "The `next_token` query parameter value [?] is not valid"),
    ],
)
def test_what_x_would_not_take_is_400(refusing: Served, path: str, query: dict[str, str], says: str) -> None:
    status, body = refusing.ask("GET", f"{path}?{urlencode(query)}")
    assert (status, body["title"]) == (400, "Invalid Request")
    assert says in body["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        (
            SEARCH,
            {"max_results": "9"},
            "The `max_results` query parameter value [9] is not between 10 and 100",
        ),
        (SEARCH, {"max_results": "101"}, "is not between 10 and 100"),
        (SEARCH, {"max_results": "many"}, "is not between 10 and 100"),
        (SEARCH, {"sort_order": "oldest"}, "is not one of [recency,relevancy]"),
        (SEARCH, {"tweet.fields": "wings"}, "The `tweet.fields` query parameter value [wings]"),
        (COUNTS, {"granularity": "week"}, "is not one of [minute,hour,day]"),
    ],
)
def test_each_endpoint_has_parameters_of_its_own(
    refusing: Served, path: str, query: dict[str, str], says: str
) -> None:
    status, body = refusing.ask("GET", f"{path}?{urlencode({'query': 'cat', **query})}")
    assert (status, body["title"]) == (400, "Invalid Request")
    assert says in body["errors"][0]["message"]


def test_a_week_ago_is_not_too_long_ago(refusing: Served) -> None:
    start = datetime.fromtimestamp(time.time() - 7 * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = urlencode({"query": "cat", "start_time": start, "granularity": "minute"})
    status, body = refusing.ask("GET", f"{COUNTS}?{query}")
    assert status == 200
    assert "next_token" not in body["meta"]


def test_a_post_is_not_found_at_once(tmp_path: Path) -> None:
    arguments = ["--generate", "--count", "20", "--speed", "0", "--search", "--hold", "--retweets", "0"]
    with serving(tmp_path, *arguments, "--countries", "CA") as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM):
            served.wait(lambda status: status["state"] == "done", "the source has ended")
        query = urlencode({"query": "place_country:CA"})
        assert served.ask("GET", f"{SEARCH}?{query}")[1]["meta"]["result_count"] == 0


def test_an_account_without_search_is_403(tmp_path: Path) -> None:
    tweets = stored(tmp_path / "tweets.json", tweet(1))
    with serving(tmp_path, "--tweets", tweets, "--backfill") as served:
        for path in (SEARCH, COUNTS):
            status, body = served.ask("GET", f"{path}?query=cat")
            assert (status, body["title"], body["reason"]) == (
                403,
                "Client Forbidden",
                "client-not-enrolled",
            )


def test_each_endpoint_has_a_rate_limit_of_its_own(tmp_path: Path) -> None:
    config = tmp_path / "replay.toml"
    config.write_text("[limits]\nsearch_requests = 2\ncounts_requests = 1\n[account]\nsearch = true\n")
    tweets = stored(tmp_path / "tweets.json", tweet(1))
    with serving(tmp_path, "--config", config, "--tweets", tweets) as served:
        assert [served.ask("GET", f"{SEARCH}?query=cat")[0] for _ in range(3)] == [200, 200, 429]
        assert [served.ask("GET", f"{COUNTS}?query=cat")[0] for _ in range(2)] == [200, 429]
        with served.open("GET", f"{COUNTS}?query=cat") as refused:
            assert refused.headers["x-rate-limit-limit"] == "1"
            assert json.loads(refused.read())["title"] == "Too Many Requests"
