"""The job on real servers, fed by the tests: what it cannot count is noted, and every number ends right."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Iterator

import msgspec
import pytest

from citypulse.control.faults import Exit
from citypulse.events.event import Event, Ref
from citypulse.spark import tables
from citypulse.spark.config import Config
from tests.pipeline.counting import RUN, Counting, at_minute
from tests.system import System

CITIES = ("CA:a1", "CA:b2", "GB:c3", "JP:d4")
WINDOW_MS = 300_000


@pytest.fixture(scope="module")
def job(system: System) -> Iterator[Counting]:
    counting = Counting(system)
    counting.begin()
    yield counting
    counting.remove()


_posts = iter(range(10_000_000, 1 << 40))


def event(at: int, city: str | None = None, **others: object) -> Event:
    """A post of that moment, in one of four cities."""
    post = next(_posts)
    city = city or CITIES[post % len(CITIES)]
    made = Event(
        id=post,
        post=post,
        at=at,
        author=post % 37,
        refs=[Ref("retweeted", 5)] if post % 11 == 0 else [],
        place_id=city.partition(":")[2],
        country=city.partition(":")[0],
        city=city,
        lat=None,
        lon=None,
        feeds=["all", "vote"] if post % 7 == 0 else ["all"],
        received=at + 500,
        source="test",
    )
    return msgspec.structs.replace(made, **others)


def events(since: float, until: float, count: int = 300) -> list[Event]:
    """Events in the order of their time, between two times so many minutes ago."""
    first, last = at_minute(since), at_minute(until)
    return [event(first + (last - first) * number // count) for number in range(count)]


def recounted(job: Counting) -> None:
    """Wait until the list of windows to be recounted is empty; it must have been filled before."""
    job.until("the recount list to be empty", lambda: not job.due(), 300)


def test_tweets_and_retweets_are_counted_as_a_recount_counts_them(job: Counting) -> None:
    made = events(25, 1, 2000)
    job.send(made)
    job.until_counted()
    assert job.verify() == 0
    rows = job.rows("SELECT retweets FROM {keyspace}.country_windows WHERE feed = 'all' AND country = '*'")
    assert sum(row.retweets for row in rows) == sum(bool(one.refs) for one in made)


class TestRecordsThatCountNowhere:
    def test_they_are_set_aside_with_their_place_and_the_job_goes_on(self, job: Counting) -> None:
        ends = job.ends()
        far = event(at_minute(-5.5))
        job.send([b"no event", event(at_minute(1)), b"", far, b'{"post": 1}'], partition=2)
        job.until_counted()
        rows = job.rows(
            "SELECT kafka_offset, reason FROM {keyspace}.set_aside WHERE topic = %s AND kafka_partition = 2",
            f"{RUN}.tweets",
        )
        first = ends[2]
        assert {(row.kafka_offset - first, row.reason) for row in rows} == {
            (0, "unusable"),
            (2, "unusable"),
            (3, "future"),
            (4, "unusable"),
        }
        assert job.metric("unusable_records_total") == 3
        assert job.metric("future_records_total") == 1
        watermark = job.metric("watermark_timestamp_seconds")
        assert watermark < at_minute(9) / 1000
        assert job.verify() == 0


class TestCopiesThatDiffer:
    def test_the_one_with_the_lowest_offset_counts(self, job: Counting) -> None:
        chance = random.Random(5)
        copies = []
        for one in events(4, 1, 400):
            others = [msgspec.structs.replace(one, city=city, country=city[:2]) for city in CITIES]
            chance.shuffle(others)
            copies += [msgspec.structs.replace(copy, author=n) for n, copy in enumerate(others)]
        # Copies stay in their order, and those of different posts are mixed.
        order = sorted(range(len(copies)), key=lambda n: (n % 4, chance.random()))
        job.send([copies[n] for n in order])
        job.until_counted()
        assert job.verify() == 0


class TestLateEvents:
    def test_their_windows_are_recounted_within_minutes(self, job: Counting) -> None:
        late = job.metric("late_records_total")
        job.send(events(90, 60, 200))
        job.until_counted()
        assert job.metric("late_records_total") > late
        recounted(job)
        assert job.verify() == 0
        reasons = {row.reason for row in job.rows("SELECT reason FROM {keyspace}.recounts")}
        assert reasons == {"late"}

    def test_a_topic_that_drains_behind_another_is_counted_whole(self, job: Counting) -> None:
        """One producer stood still for 30 minutes, while the other's events moved the watermark."""
        both = events(120, 91, 1200)
        job.send(both[:600])
        job.send(both[600:], topic="tweets.other")
        job.until_counted()
        recounted(job)
        assert job.verify() == 0


class TestGaps:
    def test_a_window_says_how_long_it_was_not_received_until_that_is_filled(self, job: Counting) -> None:
        from citypulse.events import gap

        start = at_minute(20) // WINDOW_MS * WINDOW_MS
        one = gap.Gap(
            id="main-1",
            producer="main",
            feeds=("all",),
            countries=("GB",),
            start=start + 60_000,
            end=start + WINDOW_MS + 30_000,
            cause="network",
        )
        job.send([gap.encode(one)], topic="gaps")

        def found(country: str) -> list[int | None]:
            text = "SELECT gap_seconds FROM {keyspace}.country_windows WHERE feed = 'all' AND country = %s"
            return [
                row.gap_seconds
                for number in (0, 1, 2)
                for row in job.rows(f"{text} AND window_start = %s", country, start + number * WINDOW_MS)
            ]

        job.until("the gap in the rows", lambda: found("GB") == found("*") == [240, 30, 0], 120)
        assert found("CA") == [0, 0, 0]
        filled = msgspec.structs.replace(one, filled_by="search", filled_at=at_minute(0))
        job.send([gap.encode(filled)], topic="gaps")
        job.until("the gap to be filled", lambda: found("GB") == found("*") == [0, 0, 0], 120)


class TestACheckpointThatIsGone:
    def test_whole_windows_are_counted_again_and_others_left_alone(self, job: Counting) -> None:
        """Retention has deleted the first half of the topic: its windows must not shrink to what is left."""
        job.stop()
        before = _tweets(job)
        ends = job.ends()
        cut = {number: end // 2 for number, end in ends.items()}
        job.cut("tweets", cut)
        job.forget_checkpoint()
        job.start()
        job.until_counted()
        recounted_or_left = {row.reason for row in job.due()}
        assert recounted_or_left <= {"checkpoint", "late"}
        after = _tweets(job)
        assert after.keys() >= before.keys()
        assert {key: (count, after[key]) for key, count in before.items() if after[key] < count} == {}

    @pytest.mark.takes_turns(1.8)
    def test_a_damaged_state_is_set_aside_and_counted_anew(self, job: Counting) -> None:
        job.begin()
        made = events(20, 1, 800)
        job.send(made[:400])
        job.until_counted()
        job.stop()
        files = [path for path in job.checkpoint.glob("state/*/*/*") if path.is_file()]
        assert files
        for path in files:
            path.write_bytes(b"damaged")
        job.start()
        job.send(made[400:])
        job.until_counted(480)
        assert list(job.checkpoint.parent.glob("plan-*.damaged-*"))
        assert job.verify() == 0

    @pytest.mark.takes_turns(1.7)
    def test_it_is_kept_as_snapshots_too_and_read_from_them(self, job: Counting) -> None:
        """Changes alone would have to be read from the first batch on."""
        often = {
            "spark.sql.streaming.stateStore.maintenanceInterval": "1s",
            "spark.sql.streaming.stateStore.minDeltasForSnapshot": "2",
            "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        }
        job.begin(spark_job_config={"spark": {"properties": often}})
        made = events(20, 1, 900)
        for part in range(6):
            job.send(made[part * 100 : part * 100 + 100])
            job.until_counted()

        def snapshots() -> int:
            return len(list(job.checkpoint.glob("state/*/*/*.zip")))

        job.until("snapshots of the state", lambda: snapshots() >= 4, 120)
        job.stop()
        # What was before the newest snapshot is not needed any more.
        for directory in job.checkpoint.glob("state/*/*"):
            newest = max((int(path.stem) for path in directory.glob("*.zip")), default=0)
            for path in directory.glob("*.changelog"):
                if int(path.stem) <= newest:
                    path.unlink()
        job.start()
        # Copies of what was counted, and more.
        job.send(made[:100] + made[600:])
        job.until_counted()
        assert job.verify() == 0
        assert not list(job.checkpoint.parent.glob("plan-*.damaged-*"))

    def test_a_damaged_offset_log_is_set_aside_and_counted_anew(self, job: Counting) -> None:
        job.begin()
        job.send(events(20, 1, 400))
        job.until_counted()
        job.stop()
        last = max(int(path.name) for path in job.checkpoint.glob("offsets/*") if path.name.isdigit())
        (job.checkpoint / "offsets" / str(last)).write_text("v1\n{")
        (job.checkpoint / "offsets" / f".{last}.crc").unlink(missing_ok=True)
        job.start()
        job.send(events(1, 0.5, 100))
        job.until_counted()
        assert job.verify() == 0

    def test_another_number_of_state_partitions_is_refused_with_the_way_out(self, job: Counting) -> None:
        job.stop()
        config = job.system.home / "etc" / job.service / "config.toml"
        command = [str(job.system.home / "bin" / "citypulse-spark"), "job", "--config", str(config)]
        environment = job.system.environment(CITYPULSE_SPARK_SHUFFLE_PARTITIONS="7")
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == Exit.BAD_INPUT
        (line,) = (one for one in ended.stderr.splitlines() if one.startswith("citypulse-spark: "))
        assert "shuffle_partitions = 7" in line
        assert "remove that directory" in line


class TestRecordsThatRetentionTook:
    def test_they_are_noted_and_the_job_goes_on(self, job: Counting) -> None:
        """The job stands still, stopped by the test before, while records come and go."""
        job.send(events(1, 0.5, 200))
        job.cut("tweets", job.ends())
        job.start()
        rest = events(0.4, 0.2, 100)
        job.send(rest)
        job.until_counted()
        job.until("the loss to be noted", lambda: job.metric("lost_records_total") >= 200)
        windows = {row.window_start.timestamp() * 1000 for row in job.due() if row.reason == "retention"}
        assert rest[0].at // WINDOW_MS * WINDOW_MS in windows
        assert job.metric("records_total") >= 100


class TestTheSchema:
    def test_many_may_make_it_at_once_and_a_dropped_table_comes_back(self, job: Counting) -> None:
        config = msgspec.structs.replace(job.config, run="twice")
        failed: list[BaseException] = []

        def make() -> None:
            session = tables.wait(config.cassandra)
            try:
                tables.create(session, config)
            except BaseException as error:  # noqa: BLE001 - told in the test's own thread
                failed.append(error)
            finally:
                session.cluster.shutdown()

        for _ in range(2):
            threads = [threading.Thread(target=make) for _ in range(4)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert failed == []
            assert _steps(job, config) == [step.number for step in tables.steps(config)]
            job.rows(f"DROP TABLE {config.keyspace}.cities")
        make()
        assert job.rows(f"SELECT * FROM {config.keyspace}.cities") == []  # noqa: S608 - a name of our own
        job.rows(f"DROP KEYSPACE {config.keyspace}")


def _steps(job: Counting, config: Config) -> list[int]:
    rows = job.rows(f"SELECT step FROM {config.keyspace}.schema_steps")  # noqa: S608 - a name of our own
    return sorted(row.step for row in rows)


def _tweets(job: Counting) -> dict[tuple[object, ...], int]:
    rows = job.rows("SELECT feed, country, city_id, window_start, tweets FROM {keyspace}.city_windows")
    return {(row.feed, row.country, row.city_id, row.window_start): row.tweets for row in rows}
