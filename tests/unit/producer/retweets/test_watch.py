"""X's rules follow what is chosen: within all limits, and nobody else's rule is touched."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from citypulse.producer.config import Config, Feed, Journal, Retweets
from citypulse.producer.errors import RefusedError
from citypulse.producer.retweets import packing, watch
from citypulse.producer.retweets.candidates import Candidates
from citypulse.producer.retweets.watch import Watch
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import BrokenError
from citypulse.producer.stream.rules import Existing, Rule
from citypulse.replay.rulebook import Limits, Rulebook

from .made import FIRST, post

START = 1_900_000_000.0
OURS = "citypulse/main/+retweets/"


class X:
    """X's rules endpoint, by replay's own book of rules, and a client that asks it."""

    def __init__(self, most: int = 1000) -> None:
        self.book = Rulebook(Limits(rules=most))
        self.requests = 0
        self.largest = 0
        self.broken: set[str] = set()
        self.time = START
        self.session = SimpleNamespace(hooks={"response": []})
        self.clock = SimpleNamespace(now=lambda: int(self.time * 1000), monotonic=lambda: self.time)

    def rules(self) -> list[Existing]:
        self._break("rules")
        return [Existing(rule.id, rule.tag, rule.value) for rule in self.book.all()]

    def add(self, wanted: list[Rule], *, dry_run: bool = False) -> list[Existing]:
        self._break("add")
        self.requests += 1
        _, body = self.book.add([{"value": rule.value, "tag": rule.tag} for rule in wanted], dry_run=dry_run)
        self.largest = max(self.largest, len(self.book))
        if "lost answer" in self.broken:
            raise BrokenError("reset")
        if errors := body.get("errors"):
            raise RefusedError(str(errors))
        return [Existing(rule["id"], rule["tag"], rule["value"]) for rule in body.get("data", ())]

    def delete(self, gone: list[Existing]) -> None:
        self._break("delete")
        self.requests += 1
        self.book.delete("ids", [rule.id for rule in gone], dry_run=False)

    def foreign(self) -> dict[str, str]:
        return {rule.value: rule.tag for rule in self.book.all() if not rule.tag.startswith(OURS)}

    def watched(self) -> set[int]:
        ours = [rule for rule in self.book.all() if rule.tag.startswith(OURS)]
        return {post for rule in ours for post in packing.posts(rule.value)}

    def _break(self, what: str) -> None:
        if what in self.broken:
            raise BrokenError("reset")


class Watching:
    """A watch of a few posts, whose turns a test takes."""

    def __init__(self, x: X, limit: int = 1000, others: int = 0, feeds: int = 1, **limits: Any) -> None:
        x.book.add([{"value": f"place_country:CA {n}", "tag": ""} for n in range(others)], dry_run=False)
        x.book.add(
            [{"value": f"place_country:GB {n}", "tag": f"citypulse/main/all/{n}"} for n in range(feeds)],
            dry_run=False,
        )
        self.x = x
        self.config = Config(
            feeds=(Feed("all", ("CA",)),),
            journal=Journal("journal"),
            retweets=Retweets(enabled=True, **{"change_rules": 3, **limits}),
        )
        self.candidates = Candidates("main")
        self.subscription: Any = SimpleNamespace(
            config=self.config, changes=1, stale=False, undisturbed=threading.Lock
        )
        self.watch = Watch(
            self.config,
            x,  # type: ignore[arg-type]
            self.subscription,
            None,  # type: ignore[arg-type]
            self.candidates,
            threading.Event(),
            threading.Event(),
        )

    def see(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.candidates.see(post(FIRST + (number << 22)))

    def turn(self) -> float:
        seconds = self.watch._turn()
        self.x.time += seconds
        return seconds


@pytest.fixture(autouse=True)
def small_x(monkeypatch: pytest.MonkeyPatch) -> None:
    """X gives 12 rules to a token, so that a handful of posts is too many."""
    monkeypatch.setattr(watch, "MAX_RULES", 12)


class TestModel:
    steps = st.lists(
        st.one_of(
            st.tuples(st.just("see"), st.integers(0, 300), st.integers(1, 120)),
            st.tuples(st.just("turn"), st.integers(1, 4), st.just(0)),
            st.tuples(st.just("break"), st.sampled_from([0, 1, 2, 3]), st.just(0)),
            st.tuples(st.just("feeds"), st.integers(0, 4), st.just(0)),
        ),
        max_size=15,
    )

    @settings(deadline=None)
    @given(steps, st.integers(0, 4), st.integers(1, 4), st.integers(1, 4))
    def test_rules_stay_within_the_limit_and_end_as_chosen(
        self, steps: list[tuple[str, int, int]], others: int, feeds: int, at_a_time: int
    ) -> None:
        x = X(12)
        watching = Watching(x, others=others, feeds=feeds, change_rules=at_a_time)
        before = x.foreign()
        for what, number, count in steps:
            if what == "see":
                watching.see(number, count)
            elif what == "turn":
                for _ in range(number):
                    watching.turn()
            elif what == "break":
                x.broken = {("rules", "add", "delete", "lost answer")[number]}
                watching.turn()
                x.broken = set()
            else:
                # The feeds' rules were brought to X again, with others.
                for rule in [rule for rule in x.book.all() if rule.tag.startswith("citypulse/main/all/x")]:
                    x.book.delete("ids", [rule.id], dry_run=False)
                wanted = [Rule(f"citypulse/main/all/x{n}", f"cats {n}", frozenset()) for n in range(number)]
                existing = x.rules()
                plan = rules.Plan([], wanted, wanted)
                count_before = len(existing) + len(wanted)
                for rule in [r for r in existing if r.tag.startswith(OURS)][: max(count_before - 12, 0)]:
                    x.book.delete("ids", [rule.id], dry_run=False)
                x.book.add([{"value": rule.value, "tag": rule.tag} for rule in plan.add], dry_run=False)
                watching.subscription.changes += 1
                before = x.foreign()
        for _ in range(100):
            requests_before = x.requests
            watching.turn()
            if x.requests == requests_before:
                break
        assert x.largest <= 12
        assert x.foreign() == before
        budget = max(12 - len(x.foreign()) - at_a_time, 0)
        chosen = sorted(watching.candidates.all(), reverse=True)[: budget * packing.PER_RULE]
        assert set(chosen) <= x.watched()
        assert len(x.book) - len(x.foreign()) <= budget
        assert {rule.id for rule in watching.watch._there.values()} == {
            rule.id for rule in x.book.all() if rule.tag.startswith(OURS)
        }


class TestLimits:
    def test_so_many_requests_in_a_window_and_no_more(self) -> None:
        x = X(12)
        watching = Watching(x, requests_per_window=10, requests_left=2, window_seconds=900, change_seconds=1)
        began = x.time
        for number in range(200):
            watching.see(number, 1)
            before, at = x.requests, x.time
            watching.turn()
            assert x.requests - before <= 2
            if x.requests > before:
                assert x.requests <= 8 * (1 + int((at - began) // 900))
        assert x.time - began > 900

    def test_what_x_says_is_left_counts_where_it_is_less(self) -> None:
        x = X(12)
        watching = Watching(x, requests_left=2)
        response = requests.Response()
        response.request = requests.Request(
            "POST", "https://api.x.com/2/tweets/search/stream/rules"
        ).prepare()
        response.headers.update({"x-rate-limit-remaining": "3", "x-rate-limit-reset": str(START + 300)})
        for hook in x.session.hooks["response"]:
            hook(response)
        watching.see(0, 1)
        assert watching.turn() == 300
        assert x.requests == 0
        watching.turn()
        assert x.watched()

    def test_a_refusal_is_not_asked_for_again_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        x = X(12)
        watching = Watching(x)
        watching.see(0, 1)

        def refuses(*_: object, **__: object) -> None:
            raise RefusedError("X refuses the rule")

        monkeypatch.setattr(x, "add", refuses)
        assert watching.turn() == watch.REFUSED_SECONDS
        monkeypatch.undo()
        monkeypatch.setattr(watch, "MAX_RULES", 12)
        watching.turn()
        assert len(x.watched()) == 1

    def test_without_room_the_old_rules_go_first(self) -> None:
        """Others of the token have taken what was to stay free."""
        x = X(12)
        watching = Watching(x, feeds=1, change_rules=2)
        watching.see(0, 9 * packing.PER_RULE)
        for _ in range(10):
            watching.turn()
        free = 12 - len(x.book)
        x.book.add([{"value": f"dogs {n}", "tag": "other"} for n in range(free)], dry_run=False)
        watching.subscription.changes += 1
        watching.see(1000, 5)
        for _ in range(10):
            watching.turn()
        assert len(x.book) <= 12
        assert {FIRST + (number << 22) for number in range(1000, 1005)} <= x.watched()


def test_a_change_whose_second_half_failed_is_finished_without_making_a_rule_twice() -> None:
    """The new rules are there and the old ones too: what both name is taken for that of the new ones."""
    x = X(12)
    watching = Watching(x, feeds=4, change_rules=4)
    watching.see(0, 80)
    watching.turn()
    watching.see(300, 68)
    x.broken = {"delete"}
    watching.turn()
    x.broken = set()
    seconds = [watching.turn() for _ in range(5)]
    assert watch.REFUSED_SECONDS not in seconds
    assert len(x.book) == 8
    chosen = sorted(watching.candidates.all(), reverse=True)[: 4 * packing.PER_RULE]
    assert set(chosen) <= x.watched()


def test_what_somebody_else_has_deleted_is_watched_again() -> None:
    x = X(12)
    watching = Watching(x)
    watching.see(0, 30)
    watching.turn()
    for rule in [rule for rule in x.book.all() if rule.tag.startswith(OURS)]:
        x.book.delete("ids", [rule.id], dry_run=False)
    x.time += watch.LOOK_SECONDS
    watching.turn()
    assert len(x.watched()) == 30


class TestStart:
    def test_what_x_watches_already_stays_watched(self) -> None:
        x = X(12)
        watching = Watching(x)
        watching.see(0, 50)
        watching.turn()
        there = [rule.id for rule in x.book.all()]
        again = Watching(x, feeds=0)
        again.turn()
        assert [rule.id for rule in x.book.all()] == there
        assert len(again.candidates) == 50

    def test_before_earlier_runs_are_known_it_looks_and_changes_nothing(self) -> None:
        x = X(12)
        watching = Watching(x)
        watching.see(0, 5)
        watching.turn()
        again = Watching(x, feeds=0)
        again.see(100, 5)
        requests_before = x.requests
        again.watch._turn(may_change=False)
        assert x.requests == requests_before
        assert len(again.watch._there) == 1
        assert len(again.candidates) == 10

    def test_the_feeds_rules_come_first(self) -> None:
        x = X(12)
        watching = Watching(x)
        watching.see(0, 1)
        watching.subscription.stale = True
        watching.turn()
        assert x.requests == 0

    def test_posts_of_a_feed_that_is_gone_are_let_go(self) -> None:
        x = X(12)
        watching = Watching(x)
        watching.see(0, 10)
        watching.candidates.see(post(FIRST, "citypulse/main/old/1"))
        watching.turn()
        assert len(x.watched()) == 10


def test_it_reads_the_journal_as_far_as_it_is_on_disk(tmp_path: Path) -> None:
    from citypulse.producer.journal.writer import Writer

    x = X(12)
    watching = Watching(x, change_seconds=0.001)
    writer = Writer(tmp_path, 1 << 20)
    writer.append([(1, post(FIRST + (number << 22))) for number in range(30)])
    stopping = threading.Event()

    def wait_beyond(sequence: int, _seconds: float) -> None:
        x.time += 1
        if sequence >= 30 and len(x.watched()) >= 29:
            stopping.set()

    committer: Any = SimpleNamespace(durable=30, wait_beyond=wait_beyond)
    config = Config(
        feeds=(Feed("all", ("CA",)),),
        journal=Journal(str(tmp_path)),
        retweets=Retweets(enabled=True, change_rules=3, change_seconds=0.001),
    )
    running = Watch(
        config,
        x,  # type: ignore[arg-type]
        watching.subscription,
        committer,
        watching.candidates,
        threading.Event(),
        stopping,
    )
    running.run(1)
    writer.close()
    assert len(x.watched()) == 29
