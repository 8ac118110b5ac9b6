"""What may be watched: located posts of our feeds, and what is known of their retweets."""

from __future__ import annotations

import pytest

from citypulse.events.event import Event, Ref, post_created_at_ms
from citypulse.producer.retweets.candidates import Candidate, Candidates

from .made import FIRST, post, retweet


@pytest.fixture
def candidates() -> Candidates:
    return Candidates("main")


def event(number: int, *refs: Ref, country: str | None = "CA", feeds: tuple[str, ...] = ("all",)) -> Event:
    return Event(number, number, 0, 7, list(refs), "p", country, None, None, None, list(feeds), 0, "main")


def test_a_located_post_is_one_with_its_time_and_feeds(candidates: Candidates) -> None:
    candidates.see(post(FIRST, "citypulse/main/all/1", "citypulse/main/election/3", "other"))
    assert candidates.all() == {
        FIRST: Candidate(post_created_at_ms(FIRST), 0, frozenset({"all", "election"}))
    }


@pytest.mark.parametrize(
    "payload",
    [
        post(FIRST, place=None),
        post(FIRST, "citypulse/other/all/1"),
        post(FIRST, "mine"),
        retweet(FIRST, FIRST - 1),
        post(1 << 63),
        b"no json",
        b'{"errors": []}',
        b"\xff",
    ],
    ids=[
        "without a place",
        "another's",
        "nobody's",
        "a retweet",
        "too long an id",
        "no JSON",
        "an error",
        "no text",
    ],
)
def test_nothing_else_is_one(candidates: Candidates, payload: bytes) -> None:
    candidates.see(payload)
    assert len(candidates) == 0


def test_its_retweets_are_counted(candidates: Candidates) -> None:
    candidates.see(post(FIRST))
    candidates.see(retweet(FIRST + 1, FIRST))
    candidates.see(retweet(FIRST + 2, FIRST))
    candidates.see(retweet(FIRST + 3, FIRST - 1))
    assert {number: one.retweets for number, one in candidates.all().items()} == {FIRST: 2}


def test_an_earlier_run_is_known_from_the_topics(candidates: Candidates) -> None:
    candidates.sent("tweets", event(FIRST))
    candidates.sent("tweets", event(FIRST + 9, Ref("retweeted", FIRST)))
    candidates.sent("tweets", event(FIRST + 10, Ref("retweeted", FIRST - 5)))
    candidates.sent("tweets", event(FIRST + 11, Ref("retweeted", FIRST - 6), country=None, feeds=()))
    found = candidates.all()
    assert {number: one.retweets for number, one in found.items()} == {FIRST: 1, FIRST - 5: 1}


def test_of_what_x_names_already_the_feed_is_not_known_and_it_stays(candidates: Candidates) -> None:
    candidates.watched([FIRST])
    candidates.see(post(FIRST + 1, "citypulse/main/old/1"))
    candidates.only(frozenset({"all"}))
    assert set(candidates.all()) == {FIRST}
    candidates.see(post(FIRST, "citypulse/main/old/1"))
    candidates.only(frozenset({"all"}))
    assert not candidates.all()
