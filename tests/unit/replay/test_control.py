"""Faults are armed, listed and ended at /control/faults, where the configuration allows it."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .served import FAULTS, STREAM, Served, messages, numbered, serving, stored
from .test_command import ran

COMMON = {"token", "after_messages", "every", "count", "endpoint", "seconds"}
NEEDED: dict[str, dict[str, Any]] = {
    "stall": {"seconds": 1},
    "drip": {"seconds": 1, "bytes_per_second": 1},
    "dead_connection": {"seconds": 1},
    "disorder": {"window": 2},
    "slow_rules": {"delay_seconds": 1},
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("control")
    tweets = stored(directory / "tweets.json", *numbered(3))
    with serving(directory, "--tweets", tweets, "--speed", "0", "--hold", "--control") as running:
        running.add_rules("place_country:CA")
        yield running


def test_a_fault_is_armed_then_running_then_past(served: Served) -> None:
    number = served.arm("stall", seconds=3600, after_messages=2)
    armed = served.fault(number)
    assert armed["fault"] == {
        "fault": "stall",
        "token": "",
        "after_messages": 2,
        "every": 0,
        "count": 1,
        "seconds": 3600.0,
    }
    assert (armed["state"], armed["befell"], armed["begun_at"], armed["ended_at"]) == ("armed", 0, None, None)
    with served.open("GET", STREAM) as answer:
        messages(answer, 2)
        served.wait(lambda _: served.fault(number)["state"] == "running", "the stall has begun")
        status, ended = served.ask("DELETE", f"{FAULTS}/{number}", who=None)
    assert (status, ended["state"], ended["befell"]) == (200, "past", 1)
    assert armed["armed_at"] <= ended["begun_at"] <= ended["ended_at"]


def test_all_faults_are_listed_by_id_and_ended_together(served: Served) -> None:
    first, second = served.arm("cut", after_messages=1000), served.arm("no_tag", after_messages=1000)
    listed = served.ask("GET", FAULTS, who=None)[1]["faults"]
    assert [fault["id"] for fault in listed][-2:] == [first, second]
    assert [fault["state"] for fault in listed][-2:] == ["armed", "armed"]
    served.ask("DELETE", FAULTS, who=None)
    assert {fault["state"] for fault in served.ask("GET", FAULTS, who=None)[1]["faults"]} == {"past"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "a fault is an object with the key fault"),
        ({}, "fault = None is not known: give one of disconnect, cut, cut_mid_line"),
        ({"fault": "flood"}, "fault = 'flood' is not known"),
        ({"fault": ["cut"]}, "fault = ['cut'] is not known"),
        ({"fault": "stall"}, "seconds is not set: stall needs it"),
        ({"fault": "stall", "seconds": -1}, "seconds = -1 of stall cannot be: expected `float` > 0"),
        ({"fault": "stall", "seconds": "long"}, "seconds = 'long' of stall cannot be: expected `float`"),
        ({"fault": "cut", "sekonds": 3}, "sekonds is not a parameter of cut: it has token, after_messages"),
        ({"fault": "drip", "seconds": 1, "bytes_per_second": 0}, "bytes_per_second = 0 of drip cannot be"),
        ({"fault": "malformed", "kind": "odd"}, "kind = 'odd' of malformed cannot be"),
        ({"fault": "unavailable", "endpoint": "users"}, "endpoint = 'users' of unavailable cannot be"),
        ({"fault": "cut", "token": "first-token"}, "token = 'first-token' of cut cannot be"),
        ({"fault": "cut", "token": "0123abcd"}, "token = '0123abcd' of cut is not served"),
        ({"fault": "disorder", "window": 1}, "window = 1 of disorder cannot be"),
        ({"fault": "rule_limits"}, "rule_limits lowers nothing"),
        ({"fault": "cut", "count": True}, "count = True of cut cannot be"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_one_sentence(served: Served, body: Any, says: str) -> None:
    before = len(served.ask("GET", FAULTS, who=None)[1]["faults"])
    status, answer = served.ask("POST", FAULTS, body, who=None)
    assert status == 400
    assert says in answer["error"]
    assert "\n" not in answer["error"]
    assert len(served.ask("GET", FAULTS, who=None)[1]["faults"]) == before


def test_a_body_that_is_no_json_is_refused(served: Served) -> None:
    client = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    client.request("POST", FAULTS, b"\xff{")
    answer = client.getresponse()
    assert answer.status == 400
    assert "not JSON" in json.loads(answer.read())["error"]
    client.close()


@pytest.mark.parametrize("number", ["99999", "x", "-1"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_fault_that_is_not_there_is_404(served: Served, method: str, number: str) -> None:
    status, answer = served.ask(method, f"{FAULTS}/{number}", who=None)
    assert (status, answer) == (404, {"error": f"id = {number} is no fault: GET /control/faults lists them"})


def test_the_readme_has_a_row_for_each_fault_with_its_own_parameters(served: Served) -> None:
    readme = (Path(__file__).parents[3] / "services/replay/README.md").read_text(encoding="utf-8")
    table = readme.split("## Faults")[1].split("## Truth")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    told = {name: row[3] for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    names = served.ask("POST", FAULTS, {}, who=None)[1]["error"].split("one of ")[1].split(", ")
    assert len(names) == 22
    for name in names:
        error = served.ask("POST", FAULTS, {"fault": name, "?": 1, **NEEDED.get(name, {})}, who=None)[1][
            "error"
        ]
        own = set(error.split("it has ")[1].split(", ")) - COMMON
        assert name in told
        assert own <= set(re.findall(r"\w+", told[name])), name


def test_faults_are_taken_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    tweets = stored(tmp_path / "tweets.json", *numbered(1))
    with serving(tmp_path, "--tweets", tweets, "--hold") as served:
        for method in ("GET", "POST", "DELETE"):
            assert served.ask(method, FAULTS, {"fault": "cut"}, who=None)[0] == 404


@pytest.mark.parametrize("address", ["192.0.2.1", "::", "example.org"])
def test_faults_are_taken_on_a_loopback_address_alone(tmp_path: Path, address: str) -> None:
    token = tmp_path / "token"
    result = ran("serve", "--generate", "--control", "--address", address, "--token-file", token)
    assert result.exit_code == 2
    assert f"server.address is {address!r}" in result.stderr
    assert result.stderr.count("\n") == 1
