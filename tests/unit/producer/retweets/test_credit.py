"""A retweet counts where its original does: its city, its feeds, its topics; or nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.event import Event
from citypulse.producer import message
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.message import Parsed
from citypulse.producer.retweets.credit import credited
from citypulse.producer.retweets.originals import Originals
from citypulse.producer.stream import rules

from .made import FIRST, post, retweet

RECEIVED = 2_000_000_000_000
CONFIG = Config(
    feeds=(
        Feed("all", ("CA",)),
        Feed("election", ("CA",), query="vote", topic="tweets.election"),
        Feed("words", query="snow", topic="tweets.words"),
    ),
    journal=Journal("journal"),
)
ALL, ELECTION = "citypulse/main/all/1", "citypulse/main/election/1"


class Sending:
    """Messages on their way, as the sender takes them."""

    def __init__(self, most: int = 100) -> None:
        self._parse = message.parser(CONFIG, rules.configured(CONFIG))
        self.originals: Originals | None = Originals(most)

    def send(self, payload: bytes) -> Parsed:
        return credited(self._parse(payload, RECEIVED), self.originals, "tweets")

    def events(self, payload: bytes) -> dict[str, Event]:
        return dict(self.send(payload).deliveries)


@pytest.fixture
def sending() -> Sending:
    return Sending()


def place_of(event: Event) -> tuple[Any, ...]:
    return event.place_id, event.country, event.city, event.lat, event.lon


def test_a_retweet_has_its_originals_place_and_its_own_time_and_author(sending: Sending) -> None:
    original = sending.events(post(FIRST))["tweets"]
    event = sending.events(retweet(FIRST + (60_000 << 22), FIRST))["tweets"]
    assert place_of(event) == place_of(original)
    assert event.city == "CA:36775d842cbec509"
    assert event.at == original.at + 60_000
    assert (event.id, event.author, event.refs[0].id) == (FIRST + (60_000 << 22), 8, FIRST)


def test_it_goes_to_the_topics_and_feeds_of_its_original(sending: Sending) -> None:
    sending.send(post(FIRST, ALL, ELECTION))
    events = sending.events(retweet(FIRST + 1, FIRST))
    assert {topic: event.feeds for topic, event in events.items()} == {
        "tweets": ["all"],
        "tweets.election": ["election"],
    }


def test_a_rule_of_a_feed_that_matches_the_retweet_too_changes_nothing(sending: Sending) -> None:
    sending.send(post(FIRST))
    tags = ("citypulse/main/+retweets/7", "citypulse/main/words/1")
    assert {t: e.feeds for t, e in sending.events(retweet(FIRST + 1, FIRST, *tags)).items()} == {
        "tweets": ["all"]
    }


@pytest.mark.parametrize(
    ("tags", "topic", "feeds"),
    [
        (("citypulse/main/+retweets/1",), "tweets", []),
        (("citypulse/main/words/1",), "tweets.words", ["words"]),
        (("citypulse/main/+retweets/1", "citypulse/main/words/1"), "tweets.words", ["words"]),
    ],
)
def test_of_an_original_that_nobody_knows_it_counts_nowhere(
    sending: Sending, tags: tuple[str, ...], topic: str, feeds: list[str]
) -> None:
    events = sending.events(retweet(FIRST + 1, FIRST, *tags))
    assert list(events) == [topic]
    assert events[topic].feeds == feeds
    assert place_of(events[topic]) == (None,) * 5


def test_what_was_watched_for_by_an_earlier_run_is_sent_although_retweets_are_off(sending: Sending) -> None:
    sending.originals = None
    sending.send(post(FIRST))
    event = sending.events(retweet(FIRST + 1, FIRST))["tweets"]
    assert (event.country, event.feeds) == (None, [])


def test_a_post_that_is_delivered_under_all_rules_has_the_feeds_of_feeds_alone(sending: Sending) -> None:
    """As replay does with what X had matched before."""
    tags = ("citypulse/main/+retweets/1", ELECTION)
    assert {to: event.feeds for to, event in sending.events(post(FIRST, *tags)).items()} == {
        "tweets.election": ["election"]
    }
    assert sending.events(post(FIRST + 1, "citypulse/main/+retweets/1")) == {}


def test_a_post_without_a_place_is_no_original(sending: Sending) -> None:
    sending.send(post(FIRST, place=None))
    assert sending.events(retweet(FIRST + 1, FIRST))["tweets"].country is None


def test_a_retweet_is_no_original(sending: Sending) -> None:
    sending.send(post(FIRST))
    sending.send(retweet(FIRST + 1, FIRST))
    assert sending.events(retweet(FIRST + 2, FIRST + 1))["tweets"].country is None


class TestOriginals:
    def test_copies_of_a_retweet_agree_though_its_original_came_again_from_elsewhere(
        self, sending: Sending
    ) -> None:
        sending.send(post(FIRST))
        first = sending.events(retweet(FIRST + 1, FIRST))
        moved = {"id": "b" * 16, "place_type": "city", "country_code": "GB", "full_name": "Elsewhere"}
        sending.send(post(FIRST, place=moved))
        assert sending.events(retweet(FIRST + 1, FIRST)) == first

    def test_they_are_known_from_their_own_events_as_from_those_of_their_retweets(
        self, sending: Sending
    ) -> None:
        sending.send(post(FIRST, ALL, ELECTION))
        events = sending.events(retweet(FIRST + 1, FIRST))
        again = Sending()
        assert again.originals is not None
        for topic, event in events.items():
            again.originals.learn(FIRST, topic, event)
        assert again.events(retweet(FIRST + 1, FIRST)) == events

    @given(st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=80))
    def test_no_more_are_known_than_may_be_and_those_are_the_last_that_were_active(
        self, steps: list[tuple[bool, int]]
    ) -> None:
        sending = Sending(most=5)
        active: list[int] = []
        for is_retweet, number in steps:
            original = FIRST + number
            if is_retweet:
                known = sending.events(retweet(FIRST + 1000, original))["tweets"].country is not None
                assert known == (original in active)
            else:
                sending.send(post(original))
            if original in active:
                active.remove(original)
                active.append(original)
            elif not is_retweet:
                active = [*active, original][-5:]
        assert sending.originals is not None
        assert len(sending.originals) == len(active)
