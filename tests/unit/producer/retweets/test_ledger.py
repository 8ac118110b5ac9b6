"""The ledger looks for a retweet wherever its original may be, and misses one that is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from citypulse.events.gap import Gap
from citypulse.producer import ledger
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.ledger import sources
from tests.unit.producer import test_ledger

from .made import post, retweet

FR = "citypulse/main/fr/1"
FIRST = 1_700_000_000_000_000_000
"""An id from before the times that the ledger's tests journal at."""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        feeds=(Feed("all", ("CA",)), Feed("fr", ("FR",), topic="tweets.fr")),
        journal=Journal(str(tmp_path / "journal")),
    )


topics = test_ledger.topics
"""The fixture of the ledger's own tests."""


def test_it_may_be_in_any_topic(config: Config, topics: dict[str, list[int]]) -> None:
    test_ledger.journal(config, post(FIRST, FR), retweet(FIRST + 1, FIRST), retweet(FIRST + 2, FIRST, FR))
    topics["tweets.fr"] = [FIRST, FIRST + 1, FIRST + 2]
    report = ledger.compare(config, [], 0)
    assert report.well
    assert (report.accounts[0].ids, report.accounts[0].extra) == (3, 0)


def test_one_that_is_in_none_is_missing(config: Config, topics: dict[str, list[int]]) -> None:
    test_ledger.journal(config, post(FIRST), retweet(FIRST + 1, FIRST))
    topics["tweets"] = [FIRST]
    report = ledger.compare(config, [], 0)
    assert not report.well
    assert report.accounts[0].examples == [FIRST + 1]


def test_a_gap_that_search_has_filled_may_lack_what_came_for_a_watched_post_alone(
    config: Config, topics: dict[str, list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recent search is asked for what the feeds want, and not for retweets of each watched post."""
    test_ledger.journal(config, post(FIRST))
    topics["tweets"] = [FIRST]
    at = 1_900_000_000_000
    filled = Gap("main-1", "main", ("all",), (), at - 5, at + 5, "network", filled_by="search")
    monkeypatch.setattr(sources, "gaps", lambda _directory: [filled])
    for tag, well in (("citypulse/main/+retweets/1", True), (FR, False)):
        sent = test_ledger.truth(tmp_path / "truth.jsonl", retweet(FIRST + 1, FIRST, tag))
        report = ledger.compare(config, [sent], 0)
        assert report.well == well
        assert report.accounts[1].missing == 1
