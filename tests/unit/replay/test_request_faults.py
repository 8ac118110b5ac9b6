"""Each fault of a request as a client sees it, on the endpoint it is for and on no other."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .served import COUNTS, RULES, SEARCH, STREAM, Served, messages, numbered, of, serving, stored

ENDPOINTS = {
    "stream": STREAM,
    "rules": RULES,
    "search": SEARCH + "?query=tweet",
    "counts": COUNTS + "?query=tweet",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("requests")
    tweets = stored(directory / "tweets.json", *numbered(3))
    arguments = ["--tweets", tweets, "--speed", "0", "--hold", "--control", "--search"]
    with serving(directory, *arguments, tokens=["first-token", "two"]) as running:
        running.add_rules("place_country:CA")
        yield running


@pytest.fixture(autouse=True)
def well_again(served: Served) -> Iterator[None]:
    yield
    served.ask("DELETE", "/control/faults", who=None)
    served.wait(lambda status: not status["streams"], "all streams are gone")


def answers(served: Served, who: str = "") -> dict[str, int]:
    """The status of a GET to each endpoint."""
    found = {}
    for name, path in ENDPOINTS.items():
        with served.open("GET", path, who=who) as answer:
            found[name] = answer.status
    served.wait(lambda status: not status["streams"], "the stream is gone")
    return found


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("fault", "status", "title"),
    [
        ("rate_limit", 429, "Too Many Requests"),
        ("too_many_connections", 429, "ConnectionException"),
        ("unauthorized", 401, "Unauthorized"),
        ("forbidden", 403, "Client Forbidden"),
        ("conflict", 409, "ConnectionException"),
        ("server_error", 500, "Internal Server Error"),
        ("unavailable", 503, "Service Unavailable"),
    ],
)
def test_a_request_is_refused_at_its_endpoint_alone(
    served: Served, fault: str, status: int, title: str, endpoint: str
) -> None:
    number = served.arm(fault, endpoint=endpoint, seconds=3600)
    for name, path in ENDPOINTS.items():
        with served.open("GET", path) as answer:
            if name == endpoint:
                assert (answer.status, json.loads(answer.read())["title"]) == (status, title)
                assert answer.headers["content-type"] == "application/problem+json"
            else:
                assert answer.status == 200
    assert served.fault(number)["befell"] == 1


def test_a_fault_of_all_endpoints_refuses_everything_until_its_count_is_used_up(served: Served) -> None:
    number = served.arm("unavailable", endpoint="all", count=6)
    assert set(answers(served).values()) == {503}
    assert list(answers(served).values()) == [503, 503, 200, 200]
    assert served.fault(number)["state"] == "past"


def test_a_fault_is_of_the_token_that_it_names(served: Served) -> None:
    served.add_rules("place_country:CA", who="two")
    served.arm("server_error", endpoint="all", seconds=3600, **of("two"))
    assert set(answers(served).values()) == {200}
    assert set(answers(served, who="two").values()) == {500}


def test_a_rate_limit_tells_that_nothing_remains_and_when_it_ends(served: Served) -> None:
    number = served.arm("rate_limit", seconds=2)
    ends = time.time() + 2
    with served.open("GET", STREAM) as answer:
        assert answer.status == 429
        assert answer.headers["x-rate-limit-remaining"] == "0"
        reset = int(answer.headers["x-rate-limit-reset"])
    assert ends - 2 <= reset <= ends + 1
    served.wait_until_past(number)
    with served.open("GET", STREAM) as answer:
        assert answer.status == 200


def test_too_many_connections_is_no_rate_limit(served: Served) -> None:
    served.arm("too_many_connections")
    with served.open("GET", STREAM) as answer:
        assert json.loads(answer.read())["connection_issue"] == "TooManyConnections"
        assert int(answer.headers["x-rate-limit-remaining"]) > 0


def test_wiped_rules_are_really_gone_while_the_stream_stays_connected(tmp_path: Path) -> None:
    arguments = ["--generate", "--rate", "200", "--countries", "CA", "--retweets", "0", "--control"]
    with serving(tmp_path, *arguments) as served:
        served.add_rules("place_country:CA", "place_country:GB")
        with served.open("GET", STREAM) as answer:
            messages(answer, 1)
            number = served.arm("conflict", wipe_rules=True)
            assert (served.fault(number)["state"], served.fault(number)["befell"]) == ("past", 2)
            assert served.ask("GET", RULES)[1]["meta"]["result_count"] == 0
            assert served.ask("GET", STREAM)[0] == 409
            (rule,) = served.add_rules("place_country:CA")
            while messages(answer, 1)[0]["matching_rules"][0]["id"] != rule["id"]:
                pass


@pytest.mark.parametrize(
    ("limits", "added", "why"),
    [({"rules": 2}, ["a", "b"], "rule-cap"), ({"rule_characters": 4}, ["abcde"], "invalid-rules")],
)
def test_lowered_limits_refuse_rules(
    served: Served, limits: dict[str, Any], added: list[str], why: str
) -> None:
    number = served.arm("rule_limits", **limits)
    rules = [{"value": value} for value in added]
    status, body = served.ask("POST", RULES, {"add": rules})
    assert status == 200
    assert body["errors"][0]["type"].endswith(why)
    assert served.fault(number)["state"] == "past"
    status, body = served.ask("POST", RULES, {"add": rules})
    assert status == 201
    served.ask("POST", RULES, {"delete": {"ids": [rule["id"] for rule in body["data"]]}})


def test_slow_rules_are_changed_at_once_and_answered_late(served: Served) -> None:
    served.arm("slow_rules", delay_seconds=1.5)
    began = time.monotonic()
    (rule,) = served.add_rules("slow")
    assert time.monotonic() - began >= 1.5
    assert rule["value"] == "slow"
    served.ask("POST", RULES, {"delete": {"ids": [rule["id"]]}})


def test_slow_rules_are_changed_though_the_client_gave_up(served: Served) -> None:
    served.arm("slow_rules", delay_seconds=3600)
    client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    client.request(
        "POST",
        RULES,
        json.dumps({"add": [{"value": "unheard"}]}),
        {"Authorization": f"Bearer {served.tokens[0]}"},
    )
    served.wait(lambda _: any(r["value"] == "unheard" for r in listed(served)), "the rule is there")
    client.close()
    (rule,) = (r for r in listed(served) if r["value"] == "unheard")
    served.ask("POST", RULES, {"delete": {"ids": [rule["id"]]}})


def listed(served: Served) -> list[dict[str, str]]:
    return list(served.ask("GET", RULES)[1]["data"])
