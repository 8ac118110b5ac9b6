"""Rules that bring retweets live beside the feeds' rules: kept by a start and a change, and gone when off."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from citypulse.producer.config import Feed, Retweets
from citypulse.producer.retweets import packing
from citypulse.producer.stream import rules
from citypulse.producer.stream.rules import Existing, Rule
from tests.unit.producer import test_subscription
from tests.unit.producer.fake_x import BEARER, FakeX
from tests.unit.producer.test_cli import Process, command
from tests.unit.producer.test_subscription import Subscribed

server = test_subscription.server
"""The fixture of the subscription's own tests."""
ON = Retweets(enabled=True)


def watching(n: int) -> dict[str, str]:
    tag = f"citypulse/main/+retweets/{n}"
    return {"id": str(500 + n), "tag": tag, "value": packing.value([10**18 + n])}


@pytest.fixture
def subscribed(tmp_path: Path, server: FakeX) -> Subscribed:
    made = Subscribed(tmp_path, server)
    server.rules += [watching(n) for n in range(3)]
    made.subscription.config = made.config(retweets=ON)
    server.changes.clear()
    return made


def _watched(server: FakeX) -> int:
    return sum("+retweets" in rule.get("tag", "") for rule in server.rules)


def test_without_retweets_a_start_deletes_what_an_earlier_run_watched(tmp_path: Path, server: FakeX) -> None:
    server.rules = [watching(n) for n in range(3)]
    Subscribed(tmp_path, server)
    assert [rule["value"] for rule in server.rules] == ["place_country:CA"]


def test_a_start_and_a_change_leave_them(subscribed: Subscribed) -> None:
    subscribed.subscription.bring(subscribed.client)
    assert subscribed.server.changes == []
    feeds = (Feed("all", ("CA", "GB")),)
    subscribed.subscription.change(subscribed.config(*feeds, retweets=ON), subscribed.client)
    assert subscribed.server.changes == ["add", "delete"]
    assert _watched(subscribed.server) == 3


def test_a_change_makes_room_for_feeds_first(subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_RULES", 5)
    before = subscribed.subscription.changes
    feeds = (Feed("all", ("CA",)), Feed("uk", ("GB",)), Feed("fr", ("FR",)), Feed("de", ("DE",)))
    subscribed.subscription.change(subscribed.config(*feeds, retweets=ON), subscribed.client)
    assert subscribed.server.changes == ["delete", "delete", "add", "add", "add"]
    assert _watched(subscribed.server) == 1
    assert subscribed.subscription.changes > before


def test_whether_they_are_asked_for_cannot_change_while_running(subscribed: Subscribed) -> None:
    config = subscribed.config(retweets=msgspec.structs.replace(ON, enabled=False))
    with pytest.raises(Exception, match=r"retweets\.enabled"):
        subscribed.subscription.change(config, subscribed.client)


@pytest.mark.parametrize(("enabled", "said"), [("true", "0 to delete"), ("false", "2 to delete")])
def test_plan_and_apply_do_as_a_run_does(tmp_path: Path, server: FakeX, enabled: str, said: str) -> None:
    server.rules = [watching(1), watching(2)]
    config = Process(tmp_path, server).config
    on = {"X_BEARER_TOKEN": BEARER, "CITYPULSE_PRODUCER_RETWEETS_ENABLED": enabled}
    assert said in command("rules", "plan", "--config", config, **on).stdout
    assert command("rules", "apply", "--config", config, **on).returncode == 0
    assert _watched(server) == (2 if enabled == "true" else 0)


def test_no_more_of_them_go_than_are_in_the_way() -> None:
    existing = [Existing(str(n), f"citypulse/main/+retweets/{n}", f"v{n}") for n in range(998)]
    add = [Rule(f"citypulse/main/all/{n}", f"w{n}", frozenset()) for n in range(5)]
    assert len(rules.in_the_way(existing, rules.Plan([], add, add), "main")) == 3
    assert rules.in_the_way(existing, rules.Plan([], add, add), "other") == []
