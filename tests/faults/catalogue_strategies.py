"""Several producers, several feeds, and feeds that change: nobody's fault, and as good a way to lose."""

from __future__ import annotations

import signal
from typing import Any

from tests.faults.registry import fault
from tests.faults.rig import RUN, Rig
from tests.producing import Producer


def _another(rig: Rig, name: str, token: int) -> Producer:
    directory = rig.directory / name
    directory.mkdir()
    producer = Producer(
        directory,
        rig.system.installation.port(9351),
        run=RUN,
        base_url=rig.replay.base_url,
        token=rig.replay.tokens[token],
        bootstrap=rig.system.bootstrap,
    )
    rig.others.append(producer)
    return producer


def _feed(name: str, *countries: str, topic: str = "tweets") -> dict[str, Any]:
    return {"name": name, "countries": list(countries), "topic": topic}


@fault(
    "two-producers-overlap",
    injected="two producers with tokens of their own ask for the same countries, into one topic",
    promised="every tweet comes twice and counts once",
)
def two_producers_overlap(rig: Rig) -> None:
    other = _another(rig, "other", 1)
    rig.start(feeds=[_feed("all", "IN", "US", "BR", "JP")], name="one")
    other.start(feeds=[_feed("all", "US", "BR", "JP", "MX")], name="other")
    other.wait_for("its first tweets", lambda: other.metric("acknowledged_total") > 0)
    rig.flow(8)
    assert {rule["tag"] for rule in rig.replay.rules(0)} == {"citypulse/one/all/1"}
    assert {rule["tag"] for rule in rig.replay.rules(1)} == {"citypulse/other/all/1"}


@fault(
    "two-processes-four-topics",
    injected="two producers, each with two feeds of a country, each feed with a topic of its own",
    promised="journals, rules and topics stay apart, and each ledger holds",
)
def two_processes_four_topics(rig: Rig) -> None:
    names = ("in", "us", "br", "jp")
    feeds = [_feed(name, name.upper(), topic=f"tweets.{name}") for name in names]
    other = _another(rig, "other", 1)
    rig.start(feeds=feeds[:2], name="one")
    other.start(feeds=feeds[2:], name="other")
    other.wait_for("its first tweets", lambda: other.metric("acknowledged_total") > 0)
    rig.flow(8)
    report, others = rig.finish(), rig.other_reports()
    assert set(report.topics) == {f"{RUN}.tweets.in", f"{RUN}.tweets.us"}
    assert [set(other.topics) for other in others] == [{f"{RUN}.tweets.br", f"{RUN}.tweets.jp"}]
    assert all(account.extra == 0 for one in (report, *others) for account in one.accounts)


@fault(
    "one-token-for-two",
    injected="a second producer is started with the token of the first",
    promised="it is refused in one sentence, and the first goes on undisturbed",
)
def one_token_for_two(rig: Rig) -> None:
    rig.start()
    other = _another(rig, "other", 0)
    other.start(name="other")
    other.wait_for("the second one to be refused", lambda: not other.pid)
    assert other.codes == [2]
    rig.flow(2)
    assert rig.producer.metric_sum("reconnects_total") == 0
    rig.others.clear()


def _on_x(rig: Rig) -> set[str]:
    return {rule["value"] for rule in rig.replay.rules()}


def _value(feed: dict[str, Any]) -> str:
    countries = " OR ".join(f"place_country:{country}" for country in sorted(feed["countries"]))
    return f"({countries})" if len(feed["countries"]) > 1 else countries


@fault(
    "feeds-change-while-streaming",
    injected="a feed is added, another one changed, then one taken away, each by SIGHUP, while tweets flow",
    promised="the stream stays connected, and both ledgers hold",
)
def feeds_change_while_streaming(rig: Rig) -> None:
    feeds = [_feed("all", "IN", "US", "BR")]
    rig.start(feeds=feeds)
    for changed in (
        [*feeds, _feed("east", "JP", "ID")],
        [_feed("all", "IN", "US", "BR", "MX"), _feed("east", "JP")],
        [_feed("all", "IN", "US", "BR", "MX")],
    ):
        rig.flow(3)
        rig.producer.configure(feeds=changed)
        rig.producer.send(signal.SIGHUP)
        rig.wait_for("the rules on X", lambda feeds=changed: _on_x(rig) == {_value(feed) for feed in feeds})
    rig.flow(3)
    assert rig.producer.metric_sum("reconnects_total") == 0
    assert not rig.producer.gaps()


@fault(
    "feed-without-topic",
    injected="SIGHUP with a feed whose topic does not exist",
    promised="it is refused, the old feeds stay, and nothing is held up",
)
def feed_without_topic(rig: Rig) -> None:
    rig.start(feeds=[_feed("all", "IN", "US")])
    rig.flow(2)
    rig.producer.configure(feeds=[_feed("all", "IN", "US"), _feed("uk", "GB", topic="tweets.nowhere")])
    rig.producer.send(signal.SIGHUP)
    rig.wait_for("its refusal", lambda: rig.producer.metric("reloads_total", outcome="refused") == 1)
    acknowledged = rig.producer.metric("acknowledged_total")
    rig.wait_for(
        "tweets of the old feeds", lambda: rig.producer.metric("acknowledged_total") > acknowledged + 50
    )
    assert rig.producer.circuit() == "closed"
    # The ledger reads what the producer goes by.
    rig.producer.configure(feeds=[_feed("all", "IN", "US")])
