"""Rules and feeds change on X and here without a moment in which a wanted post is missed."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from citypulse.producer import reload, spend
from citypulse.producer.config import Config, Feed, Journal, Kafka, Spend, X
from citypulse.producer.errors import BadInputError, RefusedError
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.file import GapFile
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.routes import Routes
from citypulse.producer.send import replicas
from citypulse.producer.stream import subscription
from citypulse.producer.stream.client import BrokenError, XClient
from citypulse.producer.stream.subscription import Subscription

from .fake_x import BEARER, FakeX, serving


class Disk:
    durable = 1
    unjournaled = 0


class Subscribed:
    """A subscription whose rules are on X, as while a stream is connected."""

    def __init__(self, directory: Path, server: FakeX) -> None:
        self.directory, self.server = directory, server
        self.client = XClient(X(base_url=server.url, connect_seconds=1), BEARER)
        self.book = GapBook(directory, "main", Heard(directory, Disk()))
        self.routes = Routes(directory)
        self.interrupted = 0
        self.subscription = Subscription(self.config(), self.routes, self.book, self.interrupt)
        self.subscription.bring(self.client)
        self.book.connected(1000, 2000, self.subscription.wanted)
        server.changes.clear()

    def interrupt(self) -> None:
        self.interrupted += 1

    def config(self, *feeds: Feed, **more: object) -> Config:
        made = {
            "x": X(base_url=self.server.url, connect_seconds=1),
            "journal": Journal(str(self.directory)),
            "kafka": Kafka(bootstrap_servers=("127.0.0.1:1",)),
        }
        return Config(feeds=feeds or (Feed("all", ("CA",)),), **(made | more))  # type: ignore[arg-type]

    @property
    def on_x(self) -> dict[str, str]:
        return {rule["value"]: rule.get("tag", "") for rule in self.server.rules}


@pytest.fixture
def server() -> Iterator[FakeX]:
    with serving(lambda connection: connection.refuse(503)) as running:
        yield running


@pytest.fixture
def subscribed(tmp_path: Path, server: FakeX) -> Subscribed:
    server.rules = [
        {"id": "1", "value": "cats", "tag": "mine"},
        {"id": "2", "value": "dogs"},
        {"id": "3", "value": "place_country:FR", "tag": "citypulse/other/all/1"},
        {"id": "4", "value": "place_country:DE", "tag": "citypulse/main/all/1"},
    ]
    return Subscribed(tmp_path, server)


OTHERS = {"cats": "mine", "dogs": "", "place_country:FR": "citypulse/other/all/1"}


def test_rules_become_what_is_wanted_and_those_of_others_stay(subscribed: Subscribed) -> None:
    assert subscribed.on_x == OTHERS | {"place_country:CA": "citypulse/main/all/2"}
    subscribed.subscription.bring(subscribed.client)
    assert subscribed.server.changes == []


def test_a_rule_that_x_does_not_take_is_said(subscribed: Subscribed) -> None:
    subscribed.server.errors = [
        {"title": "Invalid Rule", "value": "place_country:GB", "details": ["no such operator"]}
    ]
    with pytest.raises(RefusedError, match=r"place_country:GB.*no such operator"):
        subscribed.subscription.change(subscribed.config(Feed("all", ("GB",))), subscribed.client)


def test_new_rules_are_added_before_old_ones_are_deleted(subscribed: Subscribed) -> None:
    subscribed.subscription.change(subscribed.config(Feed("all", ("CA", "GB"))), subscribed.client)
    assert subscribed.server.changes == ["add", "delete"]
    assert subscribed.server.dry_runs == 1
    assert list(subscribed.on_x.keys() - OTHERS.keys()) == ["(place_country:CA OR place_country:GB)"]


def test_a_rule_that_moves_to_another_feed_goes_first_since_x_takes_none_twice(
    subscribed: Subscribed,
) -> None:
    feeds = (Feed("canada", ("CA",)), Feed("uk", ("GB",)))
    subscribed.subscription.change(subscribed.config(*feeds), subscribed.client)
    assert subscribed.server.changes == ["delete", "add", "add"]
    assert subscribed.on_x["place_country:CA"] == "citypulse/main/canada/1"


def test_the_book_and_the_routes_know_of_the_change(subscribed: Subscribed) -> None:
    feed = Feed("uk", ("GB",), topic="tweets.uk")
    subscribed.subscription.change(subscribed.config(feed), subscribed.client)
    current = GapFile(subscribed.directory).current
    assert current is not None
    assert (current.feeds, current.countries) == (("uk",), ("GB",))
    assert current.queries == (("citypulse/main/uk/1", "place_country:GB"),)
    route = Routes(subscribed.directory).find("citypulse/main/uk/1", 0)
    assert route is not None
    assert route.topic == "tweets.uk"


def test_a_change_holds_from_a_time_of_xs_as_records_have_it(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribed.client.clock, "now", lambda: 10**13)
    subscribed.subscription.change(subscribed.config(Feed("all", ("CA",), topic="other")), subscribed.client)
    topics = [subscribed.routes.find("citypulse/main/all/2", 10**13 - 1 + n) for n in (0, 1)]
    assert [found and found.topic for found in topics] == ["tweets", "other"]


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        ({"name": "west"}, ["name"]),
        ({"journal": Journal("elsewhere")}, ["journal.dir"]),
        ({"x": X(base_url="http://127.0.0.1:1", gzip=False)}, ["x.base_url", "x.gzip"]),
    ],
)
def test_what_cannot_change_while_running_is_named_and_nothing_changes(
    subscribed: Subscribed, changed: dict[str, object], keys: list[str]
) -> None:
    before = subscribed.subscription.config
    with pytest.raises(BadInputError) as caught:
        subscribed.subscription.change(subscribed.config(Feed("all", ("GB",)), **changed), subscribed.client)
    assert all(key in str(caught.value) for key in keys)
    assert subscribed.subscription.config is before
    assert subscribed.server.changes == []


def test_feeds_that_cannot_be_leave_all_as_it_was(subscribed: Subscribed) -> None:
    feeds = (Feed("a", ("GB",)), Feed("b", ("GB",)))
    with pytest.raises(BadInputError, match="ask for the same rule"):
        subscribed.subscription.change(subscribed.config(*feeds), subscribed.client)
    assert subscribed.server.changes == []


def test_what_x_would_refuse_is_asked_before_anything_changes(subscribed: Subscribed) -> None:
    before, on_x = subscribed.subscription.config, subscribed.on_x
    subscribed.server.errors = [{"title": "Invalid Rule", "value": "bad", "details": ["no"]}]
    with pytest.raises(RefusedError):
        subscribed.subscription.change(subscribed.config(Feed("q", query="bad")), subscribed.client)
    assert subscribed.subscription.config is before
    assert subscribed.on_x == on_x
    assert not subscribed.subscription.stale


def test_without_an_answer_the_old_feeds_stay(subscribed: Subscribed, server: FakeX) -> None:
    before = subscribed.subscription.config
    gone = XClient(X(base_url="http://127.0.0.1:9", connect_seconds=1), BEARER)
    with pytest.raises(BrokenError):
        subscribed.subscription.change(subscribed.config(Feed("all", ("GB",))), gone)
    assert subscribed.subscription.config is before


def test_a_rule_that_was_lost_half_way_is_a_gap_that_the_next_connection_ends(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = subscribed.subscription.config

    def breaks(*_: object, **__: object) -> None:
        raise BrokenError("reset")

    monkeypatch.setattr(subscribed.client, "add", breaks)
    with pytest.raises(BrokenError):
        subscribed.subscription.change(subscribed.config(Feed("canada", ("CA",))), subscribed.client)
    monkeypatch.undo()
    assert subscribed.subscription.config is before
    assert subscribed.subscription.stale
    assert subscribed.interrupted == 1
    assert [(gap.cause, gap.end) for gap in subscribed.book.gaps()] == [("rules", None)]
    subscribed.subscription.bring(subscribed.client)
    assert "place_country:CA" in subscribed.on_x
    assert not subscribed.subscription.stale


def test_old_rules_that_could_not_be_deleted_are_deleted_later(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise BrokenError("reset")

    monkeypatch.setattr(subscribed.client, "delete", breaks)
    subscribed.subscription.change(subscribed.config(Feed("all", ("GB",))), subscribed.client)
    monkeypatch.undo()
    assert {"place_country:CA", "place_country:GB"} <= subscribed.on_x.keys()
    assert subscribed.subscription.stale
    reload.bring_again(subscribed.subscription, subscribed.client)
    assert subscribed.on_x.keys() - OTHERS.keys() == {"place_country:GB"}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_old_feeds_on_x_and_here(
    subscribed: Subscribed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, on_x = subscribed.subscription.config, subscribed.on_x
    monkeypatch.setattr(subscribed.routes, "change", full)
    config = subscribed.config(Feed("all", ("GB",)))
    reload.reload(
        lambda: config,
        subscribed.subscription,
        subscribed.client,
        spend.Spend(tmp_path, Spend(), Disk(), subscribed.client.clock),
    )
    assert subscribed.subscription.config is before
    assert (subscribed.on_x, subscribed.server.changes) == (on_x, [])


def test_feeds_that_the_book_of_gaps_cannot_note_are_noted_before_more_is_read(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribed.book, "wants", full)
    subscribed.subscription.change(subscribed.config(Feed("all", ("GB",))), subscribed.client)
    assert subscribed.interrupted == 1
    subscribed.book.connected(3000, 4000, subscribed.subscription.wanted)
    current = GapFile(subscribed.directory).current
    assert current is not None
    assert current.countries == ("GB",)


def test_rules_that_a_full_disk_keeps_from_x_end_nothing(
    subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribed.routes, "change", full)
    reload.bring_again(subscribed.subscription, subscribed.client)
    assert subscribed.server.changes == []


def test_a_new_configuration_brings_its_limits(subscribed: Subscribed, tmp_path: Path) -> None:
    spending = spend.Spend(tmp_path, Spend(posts_per_day=1), Disk(), subscribed.client.clock)
    spending.count(1)
    assert spending.spent()
    config = subscribed.config(spend=Spend(posts_per_day=2))
    reload.reload(lambda: config, subscribed.subscription, subscribed.client, spending)
    assert not spending.spent()


def test_a_bad_new_configuration_is_refused_in_the_log(
    subscribed: Subscribed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bad() -> Config:
        raise BadInputError("feeds is empty")

    reload.reload(
        bad,
        subscribed.subscription,
        subscribed.client,
        spend.Spend(tmp_path, Spend(), Disk(), subscribed.client.clock),
    )
    assert "feeds is empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "taken"),
    [
        ([None, None], True),
        ([None, {"tweets": {}}], False),
        ([{"tweets": {}}, {"tweets": {}, "tweets.uk": {}}], True),
    ],
)
def test_a_feed_whose_topic_no_broker_knows_is_refused_for_it_would_hold_up_all(
    subscribed: Subscribed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[dict[str, object] | None],
    taken: bool,
) -> None:
    monkeypatch.setattr(replicas, "ask_once", lambda *_: (answers, None))
    config = subscribed.config(Feed("all", ("CA",)), Feed("uk", ("GB",), topic="tweets.uk"))
    spending = spend.Spend(tmp_path, Spend(), Disk(), subscribed.client.clock)
    reload.reload(lambda: config, subscribed.subscription, subscribed.client, spending)
    assert (subscribed.subscription.config is config) == taken
    assert ("no broker knows the topic tweets.uk" in capsys.readouterr().out) == (not taken)


def test_what_search_is_asked_is_as_long_as_the_account_may(tmp_path: Path, server: FakeX) -> None:
    config = Config(feeds=(Feed("all", ("all",)),), journal=Journal("j"))
    kept = subscription.wanted(
        config, Subscription(config, Routes(), GapBook(tmp_path, "m", Heard(tmp_path, Disk()))).rules
    )
    assert len(kept.countries) == 250
    assert len(kept.queries) > 5
    assert all(len(query) <= 512 for _, query in kept.queries)
