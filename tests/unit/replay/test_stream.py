"""The filtered stream and its rules answer as X's do."""

import gzip
import json
import shutil
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .served import RULES, STREAM, Served, lines, messages, serving, stored, tweet

EVERYTHING = (
    "?tweet.fields=author_id,created_at,geo&expansions=author_id,geo.place_id"
    "&place.fields=country_code,name&user.fields=username"
)


@pytest.fixture
def three_tweets(tmp_path: Path) -> Path:
    return stored(tmp_path / "tweets.json", tweet(1), tweet(2, country="GB"), tweet(3))


@pytest.fixture
def served(tmp_path: Path, three_tweets: Path) -> Iterator[Served]:
    truth = tmp_path / "truth"
    with serving(
        tmp_path, "--tweets", three_tweets, "--speed", "0", "--hold", "--truth", truth, tokens=["one", "two"]
    ) as running:
        yield running


@pytest.mark.parametrize("path", [STREAM, RULES])
@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_a_known_token_the_answer_is_401(served: Served, path: str, token: str | None) -> None:
    unauthorized = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
    assert served.ask("GET", path, who=token) == (401, unauthorized)


def test_an_unknown_path_is_404(served: Served) -> None:
    status, body = served.ask("GET", "/2/tweets/nothing")
    assert (status, body["title"]) == (404, "Not Found")


def test_without_rules_the_stream_is_409(served: Served) -> None:
    status, body = served.ask("GET", STREAM)
    assert (status, body["title"], body["connection_issue"]) == (
        409,
        "ConnectionException",
        "RuleConfigurationIssue",
    )


def test_a_second_connection_of_a_token_is_429_until_the_first_has_gone(served: Served) -> None:
    served.add_rules("place_country:CA")
    first = served.open("GET", STREAM)
    messages(first, 2)
    status, body = served.ask("GET", STREAM)
    assert status == 429
    assert body == {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": "https://api.twitter.com/2/problems/streaming-connection",
    }
    served.add_rules("place_country:CA", who="two")
    with served.open("GET", STREAM, who="two") as other:
        assert other.status == 200
    first.close()
    served.wait(lambda status: not status["streams"], "both streams are gone")
    with served.open("GET", STREAM) as again:
        assert again.status == 200


def test_only_what_was_asked_for_is_sent(served: Served) -> None:
    rule = served.add_rules("place_country:CA")[0]
    with served.open("GET", STREAM) as answer:
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["transfer-encoding"] == "chunked"
        assert int(answer.headers["x-rate-limit-remaining"]) == int(answer.headers["x-rate-limit-limit"]) - 1
        bare = messages(answer, 2)
    assert bare == [
        {
            "data": {"id": f"100000000000000000{n}", "text": f"tweet {n}"},
            "matching_rules": [{"id": rule["id"], "tag": "tag 0"}],
        }
        for n in (1, 3)
    ]


def test_fields_and_expansions_are_honoured(served: Served) -> None:
    served.add_rules("place_country:GB")
    with served.open("GET", STREAM + EVERYTHING) as answer:
        (message,) = messages(answer, 1)
    assert message["data"] == {
        "author_id": "7",
        "created_at": "2026-01-01T00:00:00.000Z",
        "geo": {"place_id": "place GB"},
        "id": "1000000000000000002",
        "text": "tweet 2",
    }
    assert message["includes"] == {
        "users": [{"id": "7", "name": "Ada", "username": "ada"}],
        "places": [{"country_code": "GB", "full_name": "Town, GB", "id": "place GB", "name": "Town"}],
    }


@pytest.mark.parametrize("query", ["?tweet.fields=wings", "?expansions=wings", "?wings=1"])
def test_an_unknown_field_or_parameter_is_400(served: Served, query: str) -> None:
    served.add_rules("place_country:CA")
    status, body = served.ask("GET", STREAM + query)
    assert (status, body["title"]) == (400, "Invalid Request")
    assert "wings" in body["errors"][0]["message"]


def test_every_matching_rule_is_told_in_order(served: Served) -> None:
    rules = served.add_rules("place_country:CA", "place_country:GB", "tweet from:ada")
    with served.open("GET", STREAM) as answer:
        found = messages(answer, 3)
    ids = [[rule["id"] for rule in message["matching_rules"]] for message in found]
    assert ids == [
        [rules[0]["id"], rules[2]["id"]],
        [rules[1]["id"], rules[2]["id"]],
        [rules[0]["id"], rules[2]["id"]],
    ]


def test_gzip_can_be_decoded_message_by_message(served: Served) -> None:
    served.add_rules("place_country:CA")
    answer = served.open("GET", STREAM, **{"Accept-Encoding": "gzip, deflate"})
    assert answer.headers["content-encoding"] == "gzip"
    inflate, text = zlib.decompressobj(zlib.MAX_WBITS | 16), b""
    while text.count(b"\r\n") < 2:
        text += inflate.decompress(answer.read1(65536))
    assert [json.loads(line)["data"]["text"] for line in text.split(b"\r\n") if line] == [
        "tweet 1",
        "tweet 3",
    ]
    answer.close()


def test_a_stream_that_replay_ends_is_whole_gzip(tmp_path: Path, three_tweets: Path) -> None:
    with serving(tmp_path, "--tweets", three_tweets, "--hold") as served:
        served.add_rules("place_country:CA")
        answer = served.open("GET", STREAM, **{"Accept-Encoding": "gzip"})
        served.wait(lambda status: status["sent"] == 2, "both tweets are sent")
        served.process.terminate()
        assert gzip.decompress(answer.read()).count(b"\r\n") == 2
        assert served.process.wait(60) == 0


def test_the_connection_stays_open_with_keep_alives_after_the_source_ended(
    tmp_path: Path, three_tweets: Path
) -> None:
    config = tmp_path / "replay.toml"
    config.write_text("[stream]\nkeep_alive_seconds = 0.1\n")
    with serving(tmp_path, "--config", config, "--tweets", three_tweets, "--hold") as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM) as answer:
            reading = lines(answer)
            assert sum(next(reading) != b"" for _ in range(2)) == 2
            served.wait(lambda status: status["state"] == "done", "the source has ended")
            assert [next(reading) for _ in range(3)] == [b"", b"", b""]
            assert served.status()["streams"][0]["sent"] == 2


def test_rules_change_while_the_stream_stays_connected(tmp_path: Path) -> None:
    with serving(tmp_path, "--generate", "--rate", "300", "--countries", "CA,GB", "--cities", "20") as served:
        (rule,) = served.add_rules("place_country:CA")
        with served.open("GET", STREAM) as answer:
            messages(answer, 1)
            served.ask("POST", RULES, {"add": [{"value": "place_country:GB", "tag": "new"}]})
            served.ask("POST", RULES, {"delete": {"ids": [rule["id"]]}})
            deadline = time.monotonic() + 60
            # What was matched before the deletion may still be on its way.
            while {m["matching_rules"][0]["tag"] for m in messages(answer, 20)} != {"new"}:
                assert time.monotonic() < deadline, "messages of the old rule keep coming"


def test_requests_beyond_the_limit_are_429_and_say_when_to_come_back(
    tmp_path: Path, three_tweets: Path
) -> None:
    config = tmp_path / "replay.toml"
    config.write_text("[limits]\nrules_get_requests = 2\n")
    with serving(tmp_path, "--config", config, "--tweets", three_tweets, "--hold") as served:
        assert [served.ask("GET", RULES)[0] for _ in range(3)] == [200, 200, 429]
        with served.open("GET", RULES) as answer:
            assert answer.headers["x-rate-limit-remaining"] == "0"
            assert 0 < int(answer.headers["x-rate-limit-reset"]) - time.time() <= 901
            assert json.loads(answer.read())["title"] == "Too Many Requests"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_curl_lists_rules_and_streams(served: Served) -> None:
    rule = served.add_rules("place_country:CA")[0]
    base, bearer = f"http://127.0.0.1:{served.port}", "Authorization: Bearer one"
    listed = subprocess.run(
        ["curl", "-sS", "-H", bearer, base + RULES], capture_output=True, check=True, timeout=60
    )
    assert json.loads(listed.stdout)["data"] == [rule]
    # Exit 28 is curl's own time-out, the only way it leaves an endless stream.
    streamed = subprocess.run(
        ["curl", "-sSN", "--compressed", "-m", "3", "-H", bearer, base + STREAM],
        capture_output=True,
        timeout=60,
    )
    assert streamed.returncode == 28, streamed.stderr
    assert [json.loads(line)["data"]["text"] for line in streamed.stdout.splitlines()] == [
        "tweet 1",
        "tweet 3",
    ]


def test_metrics_and_health_are_open_to_all(served: Served) -> None:
    for path in ("/healthz", "/readyz"):
        with served.open("GET", path, who=None) as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")
    with served.open("GET", "/metrics", who=None) as answer:
        assert b"citypulse_replay_sent_total 0.0" in answer.read()
