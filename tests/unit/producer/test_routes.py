"""A tag leads where it led when its message was received, whatever is configured since."""

from pathlib import Path

import pytest

from citypulse.producer import message
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.errors import BadInputError
from citypulse.producer.routes import NAME, Routes
from citypulse.producer.stream import rules

TAG = "citypulse/main/all/1"


def config(topic: str = "tweets", country: str = "CA", name: str = "all") -> Config:
    return Config(feeds=(Feed(name, (country,), topic=topic),), journal=Journal("j"))


def change(routes: Routes, made: Config, now: int) -> None:
    routes.change(made, rules.configured(made), now)


def topic(routes: Routes, tag: str, received: int) -> str:
    found = routes.find(tag, received)
    assert found is not None
    return found.topic


def test_what_was_received_before_a_change_goes_where_it_went(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    change(routes, config("old"), 1000)
    change(routes, config("new"), 2000)
    for known in (routes, Routes(tmp_path)):
        assert topic(known, TAG, 500) == "old"
        assert topic(known, TAG, 1999) == "old"
        assert topic(known, TAG, 2000) == "new"


def test_a_feed_that_is_gone_is_still_known_and_one_that_comes_is_known_at_once(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    change(routes, config("old"), 1000)
    change(routes, config("new", name="other"), 2000)
    assert topic(routes, TAG, 3000) == "old"
    assert topic(routes, "citypulse/main/other/1", 1500) == "new"
    assert routes.find("citypulse/main/never/1", 1500) is None


def test_the_same_again_is_no_change(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    change(routes, config(), 1000)
    before = (tmp_path / NAME).read_bytes()
    change(routes, config(), 5000)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_clock_that_is_set_back_keeps_the_order_of_changes(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    for n, name in enumerate("abc"):
        change(routes, config(name), 5000 - n * 1000)
    assert topic(routes, TAG, 10**13) == "c"


def test_only_so_many_changes_are_remembered(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    for n in range(200):
        change(routes, config(f"t{n}"), n * 10)
    assert topic(Routes(tmp_path), TAG, 1985) == "t198"
    assert topic(Routes(tmp_path), TAG, 1515) == "t151"
    assert (tmp_path / NAME).stat().st_size < 10_000


def test_no_tag_is_forgotten_however_often_feeds_change(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    change(routes, config("first", name="first"), 10)
    for n in range(200):
        change(routes, config(f"t{n}"), 20 + n * 10)
    assert topic(Routes(tmp_path), "citypulse/main/first/1", 15) == "first"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{")
    with pytest.raises(BadInputError, match=NAME):
        Routes(tmp_path)


def test_messages_are_read_by_the_routes_of_their_time(tmp_path: Path) -> None:
    routes = Routes(tmp_path)
    change(routes, config("old", "CA"), 1000)
    parse = message.parser(config("old", "CA"), [], routes)
    payload = (
        b'{"data":{"id":"1","geo":{"place_id":"x"}},"includes":{"places":[{"id":"x"}]},'
        b'"matching_rules":[{"tag":"citypulse/main/all/1"}]}'
    )

    def read(received: int) -> tuple[str, str | None]:
        ((made, event),) = parse(payload, received).deliveries
        return made, event.country

    at = 1_900_000_000_000
    assert read(at) == ("old", "CA")
    change(routes, config("new", "GB"), at + 1000)
    assert read(at + 500) == ("old", "CA")
    assert read(at + 1500) == ("new", "GB")
