"""Recounts on real servers: whatever stands in the tables, afterwards they say what the topic says."""

# ruff: noqa: S608 - names and values of our own

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from citypulse.control.faults import Exit
from citypulse.events.event import Event, encode, post_created_at_ms
from citypulse.events.messages import Message
from citypulse.producer.journal.writer import Writer
from citypulse.replay.config import Generator
from citypulse.replay.generator import generate
from citypulse.replay.pace import Pace
from citypulse.replay.world import build_world
from citypulse.spark.rolling.windows import milliseconds
from citypulse.spark.verify.recount import recount
from tests.pipeline.counting import RUN, Counting, at_minute
from tests.pipeline.test_job import event
from tests.producing import Producer
from tests.system import System

WINDOW_MS = 300_000
WINDOWS = ("city_windows", "windows_by_country", "country_windows")


@pytest.fixture(scope="module")
def job(system: System) -> Iterator[Counting]:
    """A job that has counted windows which are closed by now, and some that are not."""
    counting = Counting(system)
    counting.begin(spark_job_config={"tick_seconds": 5})
    counting.send(spread(130, 70, 3000))
    counting.until_counted()
    counting.send(spread(20, 0.2, 1000))
    counting.until_counted()
    yield counting
    counting.remove()


def spread(since: float, until: float, count: int) -> list[Event]:
    first, last = at_minute(since), at_minute(until)
    return [event(first + (last - first) * number // count) for number in range(count)]


def reprocess(job: Counting, *arguments: str) -> int:
    return job.system.spark("reprocess", *arguments, run=RUN)


def damage(job: Counting) -> None:
    """In closed windows: a number that is wrong, rows that are missing, and rows of nothing."""
    rows = job.rows(
        "SELECT window_start FROM {keyspace}.country_windows WHERE feed = 'all' AND country = 'CA'"
    )
    closed = int(sorted(row.window_start for row in rows)[3].replace(tzinfo=UTC).timestamp() * 1000)
    where = f"feed = 'all' AND country = 'CA' AND window_start = {closed}"
    space = "{keyspace}"
    job.rows(f"UPDATE {space}.city_windows SET tweets = 77 WHERE {where} AND city_id = 'CA:a1'")
    job.rows(f"DELETE FROM {space}.windows_by_country WHERE {where} AND city_id = 'CA:b2'")
    job.rows(f"DELETE FROM {space}.country_windows WHERE {where}")
    values = "tweets, originals, replies, quotes, retweets, active_users, updated_at"
    for table in ("city_windows", "windows_by_country"):
        job.rows(
            f"INSERT INTO {space}.{table} (feed, country, city_id, window_start, {values})"
            f" VALUES ('all', 'CA', 'CA:nowhere', {closed}, 5, 5, 0, 0, 0, 1, {closed})"
        )


class TestWhatIsWrongIsPutRight:
    def test_a_dry_run_says_it_and_changes_nothing(
        self, job: Counting, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert job.verify() == 0
        damage(job)
        assert job.verify() == Exit.FAULT
        assert reprocess(job, "--last", "6h", "--dry-run") == 0
        said = capfd.readouterr().out
        assert "Would change" in said
        assert "the job still counts them" in said
        assert job.verify() == Exit.FAULT
        assert job.rows("SELECT * FROM {keyspace}.recounts") == []

    def test_only_what_differs_is_written_and_it_is_written_down(
        self, job: Counting, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert reprocess(job, "--last", "6h") == 0
        assert "4 were changed" in capfd.readouterr().out
        assert job.verify() == 0
        (told,) = job.rows("SELECT * FROM {keyspace}.recounts")
        assert (told.country, told.feed, told.reason, told.source) == ("CA", "all", "by hand", "kafka")
        assert (told.changed, told.added, told.removed) == (2, 1, 1)
        assert (told.span_end - told.span_start).total_seconds() == 300
        assert reprocess(job, "--last", "6h") == 0
        assert len(job.rows("SELECT * FROM {keyspace}.recounts")) == 1

    def test_one_country_and_feed_can_be_recounted_alone(self, job: Counting) -> None:
        damage(job)
        assert reprocess(job, "--last", "6h", "--country", "GB") == 0
        assert job.verify() == Exit.FAULT
        assert reprocess(job, "--last", "6h", "--country", "CA", "--feed", "all") == 0
        assert job.verify() == 0

    def test_dropped_tables_come_back(self, job: Counting, capfd: pytest.CaptureFixture[str]) -> None:
        assert job.verify("--wait", "120") == 0
        job.stop()
        # A window is written, and nobody makes its hour of it.
        (first, *_) = job.rows("SELECT feed, country, window_start FROM {keyspace}.country_windows")
        at = f"window_start = '{first.window_start}+0000'"
        key = f"feed = '{first.feed}' AND country = '{first.country}' AND {at}"
        job.rows(f"UPDATE {{keyspace}}.country_windows SET updated_at = toTimestamp(now()) WHERE {key}")
        assert job.verify() == 0
        assert "\n1 hours are behind their windows" in capfd.readouterr().out
        assert job.verify("--wait", "1") == Exit.FAULT
        assert "1 hours and lists were behind their windows" in capfd.readouterr().err
        for table in WINDOWS:
            job.rows(f"DROP TABLE {{keyspace}}.{table}")
        assert reprocess(job, "--last", "6h", "--live") == 0
        job.start()
        job.until("the job to run", lambda: reprocess(job, "--last", "6h", "--live") == Exit.BAD_INPUT)
        assert job.verify() == 0


class TestBesideTheJob:
    @pytest.mark.takes_turns(2.2)
    def test_recounts_that_run_while_it_counts_leave_every_number_right(self, job: Counting) -> None:
        job.begin()
        ended = threading.Event()
        codes: list[int] = []

        def recount() -> None:
            while not ended.is_set():
                codes.append(reprocess(job, "--last", "6h"))

        threads = [threading.Thread(target=recount) for _ in range(2)]
        job.send(spread(100, 80, 500))
        for one in threads:
            one.start()
        # The watermark goes on, late events come, and windows close while they are recounted.
        for minute in range(70, 0, -7):
            job.send(spread(minute, minute - 7, 300))
            job.send(spread(100, 75, 50))
            time.sleep(3)
        ended.set()
        for one in threads:
            one.join()
        # One that meets rows of another that began later leaves them, and says so.
        assert set(codes) <= {0, Exit.FAULT}
        job.until_counted(600)
        job.until("the recount list to be empty", lambda: not job.due(), 300)
        assert job.verify("--wait", "240") == 0
        assert reprocess(job, "--last", "6h") == 0
        assert job.verify() == 0


class TestBeyondRetention:
    @pytest.mark.takes_turns(1.3)
    def test_windows_that_lost_their_head_are_left_unless_a_journal_has_it(
        self, job: Counting, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        job.begin()
        old, new = spread(130, 70, 1000), spread(50, 1, 1000)
        job.send(old)
        job.until_counted(600)
        job.send(new)
        job.until_counted(600)
        counted = tweets(job)
        job.cut("tweets", {number: end // 2 for number, end in job.ends().items()})
        assert reprocess(job, "--last", "6h") == Exit.FAULT
        assert "retention has deleted events of them" in capfd.readouterr().out
        assert tweets(job) == counted

        file = tmp_path / "events.jsonl"
        head = {"journal": 1, "producer": "test", "since": 0, "until": at_minute(0)}
        topic = f"{RUN}.tweets"
        lines = [
            msgspec.json.encode({"topic": topic, "event": msgspec.Raw(encode(one))}) for one in old + new
        ]
        file.write_bytes(b"\n".join([msgspec.json.encode(head), *lines]) + b"\n")
        for table in WINDOWS:
            job.rows(f"TRUNCATE {{keyspace}}.{table}")
        assert reprocess(job, "--last", "6h", "--journal", str(file)) == 0
        back = tweets(job)
        # Of the newest windows some are still the job's.
        closed = [key for key in counted if key[2].replace(tzinfo=UTC).timestamp() * 1000 < old[600].at]
        assert len(closed) > 40
        assert {key: back.get(key) for key in closed} == {key: counted[key] for key in closed}


class TestWhatOnlyAJournalHolds:
    @pytest.mark.takes_turns(1.4)
    def test_it_is_counted_as_if_kafka_still_had_it(self, job: Counting, tmp_path: Path) -> None:
        """As X sent it, through a producer's journal and its export: none of it ever was in the topic."""
        options = Generator(seed=5, density=1.2, duration_seconds=3600, retweets=0)
        world = build_world(100, ["CA", "GB"])
        sent = [due.message for due in generate(world, options, Pace(speed=0), at_minute(130))]
        span = ("--from", iso(at_minute(150)), "--to", iso(at_minute(60)))
        nowhere = tmp_path / "none"
        producer = Producer(
            tmp_path, 0, run=RUN, base_url="http://127.0.0.1", token=nowhere, bootstrap=job.system.bootstrap
        )
        config = producer.configure()
        fill(producer.journal, sent)
        job.begin()
        # Twice: what a batch has seen closes windows in the next.
        for minutes in ((4, 2), (2, 0.2)):
            job.send(spread(*minutes, 200))
            job.until_counted()
        job.cut("tweets", {number: end // 2 for number, end in job.ends().items()})
        assert reprocess(job, *span) == Exit.FAULT
        # A journal stands for a time before all that the topic is whole for, so it is exported last.
        file = tmp_path / "events.jsonl"
        export = ("journal", "export", "--events", "--config", config, "--out", file)
        subprocess.run([sys.executable, "-m", "citypulse.producer", *export], check=True, timeout=120)
        assert reprocess(job, *span, "--journal", str(file)) == 0

        cells = recount(sent).cells
        expected = {key: (cell.tweets, len(cell.users)) for key, cell in cells.items()}
        assert len(expected) > 500
        windows = [
            row
            for table in ("city_windows", "country_windows")
            for row in job.rows(f"SELECT * FROM {{keyspace}}.{table}")
        ]
        found = {
            (row.feed, row.country, getattr(row, "city_id", ""), milliseconds(row.window_start)): row
            for row in windows
            if milliseconds(row.window_start) < at_minute(60)
        }
        assert {key: (row.tweets, row.active_users) for key, row in found.items()} == expected


def fill(journal: Path, sent: Sequence[Message]) -> None:
    """Write messages as they would have been received, a little after the newest of them was created."""
    writer = Writer(journal, 1 << 24)
    rules = [{"id": "1", "tag": "citypulse/main/all/1"}]
    received = 0
    for one in sent:
        received = max(received, post_created_at_ms(int(one.data["id"])) + 700)
        writer.append([(received, msgspec.json.encode(msgspec.structs.replace(one, matching_rules=rules)))])
    writer.close()


class TestReading:
    def test_the_tweets_behind_a_number_are_listed(
        self, job: Counting, capfd: pytest.CaptureFixture[str]
    ) -> None:
        job.begin()
        made = [event(at_minute(3), city="CA:a1") for _ in range(5)]
        job.send([*made, made[0]])
        job.until_counted(600)
        capfd.readouterr()
        assert job.system.spark("verify", "--explain", "CA:a1", iso(made[0].at), run=RUN) == 0
        said = capfd.readouterr().out
        assert all(str(one.id) in said for one in made)
        assert said.count("copy") == len(made[0].feeds)

    def test_an_export_holds_the_rows(self, job: Counting, tmp_path: Path) -> None:
        for countries, table in ((False, "city_windows"), (True, "country_windows")):
            file = tmp_path / f"{table}.csv"
            options = ["--countries"] if countries else []
            assert job.system.spark("export", "--last", "1h", "--output", str(file), *options, run=RUN) == 0
            rows = list(csv.DictReader(file.open()))
            wanted = job.rows(f"SELECT tweets FROM {{keyspace}}.{table}")
            assert sorted(int(row["tweets"]) for row in rows) == sorted(row.tweets for row in wanted)
            assert all(row["window_start"].endswith(":00Z") for row in rows)


def iso(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))


def tweets(job: Counting) -> dict[tuple[str, str, datetime], int]:
    text = "SELECT feed, country, window_start, tweets FROM {keyspace}.country_windows"
    return {(row.feed, row.country, row.window_start): row.tweets for row in job.rows(text)}
