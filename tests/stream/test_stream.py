"""A producer's life without brokers, from its first message to its stop: nothing is lost without a trace."""

from __future__ import annotations

import signal
import time

from citypulse.producer.journal import dropped
from tests.producing import post_id
from tests.stream.rig import Rig


class TestFeeds:
    """SIGHUP, while the stream goes on."""

    def test_a_changed_feed_is_taken_without_a_disconnect_and_a_bad_one_is_not(self, rig: Rig) -> None:
        producer = rig.producer
        rig.replay.start(play={"hold": False})
        producer.start(feeds=[{"name": "all", "countries": ["US", "BR"]}])
        rig.flow()
        for feeds, outcome in (
            ([{"name": "all", "countries": ["US", "NG", "JP"]}], "taken"),
            ([{"name": "all", "countries": ["XX"]}], "refused"),
            ([{"name": "all", "query": "sample:150"}], "refused"),
            ([{"name": "all", "countries": ["all"]}], "taken"),
        ):
            before = producer.metric("reloads_total", outcome=outcome)
            producer.configure(feeds=feeds)
            producer.send(signal.SIGHUP)
            producer.wait_for(
                f"a configuration {outcome}",
                lambda outcome=outcome, before=before: (
                    producer.metric("reloads_total", outcome=outcome) > before
                ),
            )
            rig.flow(20)
        assert producer.metric_sum("reconnects_total") == 0
        producer.stop()
        assert {gap.cause for gap in producer.gaps()} == {"stopped"}
        assert rig.outside_gaps() == []


class TestSpend:
    """The limit of what may be read."""

    def test_reading_stops_at_the_limit_says_why_and_goes_on_when_it_is_raised(self, rig: Rig) -> None:
        producer = rig.producer
        rig.replay.start(play={"hold": False})
        producer.start(spend={"posts_per_day": 300, "price_per_post": 0.01})
        producer.wait_for(
            "the limit", lambda: producer.metric("stream_state", citypulse_producer_stream_state="spent")
        )
        # What was read last may still be on its way to the disk.
        producer.wait_for("the posts on disk", lambda: producer.metric("accepted_total") >= 300)
        received = producer.metric("received_total")
        assert "reading stops when the limit is reached" in producer.log(
            "spend: reading stops when the limit is reached"
        )
        said = producer.log("stream: stops reading")
        assert "spend.posts_per_day = 300" in said
        assert "SIGHUP" in said
        assert not producer.ready()
        assert producer.metric("spend_usd", period="day") >= 3
        time.sleep(1)
        assert producer.metric("accepted_total") == producer.metric("received_total") == received
        # A restart must not give the money twice.
        producer.stop()
        producer.start()
        producer.wait_for(
            "the limit again",
            lambda: producer.metric("stream_state", citypulse_producer_stream_state="spent"),
        )
        producer.configure(spend={"posts_per_day": 0})
        producer.send(signal.SIGHUP)
        rig.flow()
        producer.stop()
        assert "spend" in {gap.cause for gap in producer.gaps()}
        assert rig.outside_gaps() == []


class TestFull:
    """A journal that is full, and drops what comes."""

    def test_what_is_dropped_is_counted_exactly_and_lies_in_a_gap(self, rig: Rig) -> None:
        producer = rig.producer
        rig.replay.start(generator={"count": 3000, "late": 0}, play={"rate": 1500})
        producer.start(journal={"when_full": "drop_newest", "max_bytes": 400_000})
        producer.wait_for("all to be played", lambda: rig.replay.status()["state"] == "done")
        sent = rig.replay.status()["sent"]
        producer.wait_for("all to be read", lambda: producer.metric("received_total") == sent)
        producer.wait_for(
            "all to be taken or dropped",
            lambda: producer.metric("accepted_total") + producer.metric_sum("dropped_total") == sent,
        )
        lost = producer.metric("dropped_total", cause="size")
        assert lost > 100
        assert not producer.ready()
        assert producer.metric("journal_full") == 1
        producer.stop()
        assert sum(span.count for span in dropped.load(producer.journal)) == lost
        assert f"dropped: {lost:.0f}\n" in rig.command("journal", "ls").out
        assert "dropped" in {gap.cause for gap in producer.gaps()}
        assert rig.lost()
        assert rig.outside_gaps() == []
        assert "dropped" in rig.command("gaps", "--open").out


class TestEnds:
    """A kill, a stop, and what each leaves."""

    def test_every_post_is_journaled_or_in_a_gap_whatever_ends_it(self, rig: Rig) -> None:
        producer = rig.producer
        rig.replay.start(play={"hold": False, "rate": 500})
        producer.start()
        for _ in range(3):
            rig.flow(200)
            producer.kill()
        rig.flow(200)
        producer.stop()
        assert producer.codes[-1] == 0
        # Gaps between which nothing was heard are one.
        assert producer.gaps()[0].cause == "killed"
        assert producer.gaps()[-1].end is None
        assert rig.lost()
        assert rig.outside_gaps() == []
        listed = rig.answer("gaps", "--open")["totals"]
        assert listed["gaps"] == listed["open_gaps"] == len(producer.gaps())
        # Without a writer: a repair finds a cursor that was never written, and then nothing.
        assert "1 things to do" in rig.command("journal", "repair", "--dry-run").out
        assert rig.command("journal", "repair").out.endswith("1 things done: sound\n")
        assert rig.command("journal", "repair", "--dry-run").out == "0 things to do\n"
        payloads = rig.command("journal", "export").out.splitlines()
        post = post_id(payloads[-1].encode())
        assert "removed: 1 records" in rig.command("forget", "--tweet", str(post)).out
        assert rig.answer("journal", "verify")["findings"] == []

    def test_a_token_that_is_withdrawn_ends_it_with_3_and_loses_nothing(self, rig: Rig) -> None:
        producer = rig.producer
        rig.replay.start(play={"hold": False}, control={"enabled": True})
        producer.start()
        rig.flow()
        rig.replay.fault("unauthorized", count=100)
        rig.replay.fault("disconnect")
        producer.wait_for("its end", lambda: producer.codes)
        assert producer.codes == [3]
        assert [(gap.cause, gap.end) for gap in producer.gaps()] == [("closed", None)]
        assert rig.outside_gaps() == []
