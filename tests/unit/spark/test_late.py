"""What the stream drops or leaves out is found before its batch is committed."""

import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from citypulse.events.event import encode
from citypulse.spark.counting import execution, leftover, query
from citypulse.spark.counting.execution import Batch
from citypulse.spark.counting.leftover import Due
from citypulse.spark.verify import records
from citypulse.spark.verify.tally import Recount

from .streams import APPENDED, appended, counted
from .tweets import CITIES, START, Tweet, lines, tweet

MINUTE = 60_000


class Looks:
    """What each batch said of itself before its commit, and what a second look at its records found."""

    def __init__(self, spark: SparkSession, directory: Path) -> None:
        self._spark, self._directory = spark, directory
        self.batches: list[Batch] = []
        self.due: list[list[Due]] = []
        self._executions = execution.Reader(query.OBSERVED)

    def __call__(self, running: Any, batch: int) -> None:
        seen = self._executions.read(running)
        text = self._spark.read.text(str(self._directory / "in" / f"{batch:03d}.txt"))
        parsed = query.parse(appended(text))
        self.batches.append(seen)
        self.due.append(leftover.late(parsed, seen.late_until) if seen.late else [])


def run(spark: SparkSession, directory: Path, parts: list[list[Tweet]]) -> tuple[dict[Any, Any], Looks]:
    looks = Looks(spark, directory)
    cells, _ = counted(spark, directory, [lines(part) for part in parts], looks)
    return cells, looks


def window(at: int) -> int:
    return at // 300_000 * 300_000


def test_an_event_before_the_watermark_gives_its_window_feeds_and_country(
    spark: SparkSession, tmp_path: Path
) -> None:
    ahead = tweet(1, at=START + 30 * MINUTE)
    late = tweet(2, at=START + 2 * MINUTE, feeds=("all", "vote"), place=CITIES[3])
    on_time = tweet(3, at=START + 21 * MINUTE, place=CITIES[4])
    cells, looks = run(spark, tmp_path, [[ahead], [tweet(4, at=START + 30 * MINUTE)], [late, on_time]])
    assert [one.late for one in looks.batches] == [0, 0, 2]
    assert looks.batches[2].late_until == START + 20 * MINUTE
    assert [one.watermark for one in looks.batches] == [0, *[START + 20 * MINUTE] * 2]
    assert looks.due == [[], [], [Due(window(late.event.at), feed, "GB") for feed in ("all", "vote")]]
    assert not any(key[1] == "GB" for key in cells)
    assert ("all", "JP", "", window(on_time.event.at)) in cells


def test_an_event_at_the_very_watermark_is_late_and_one_after_it_is_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    ahead = [[tweet(number, at=START + 30 * MINUTE)] for number in (1, 2)]
    edge = START + 20 * MINUTE
    cells, looks = run(spark, tmp_path, [*ahead, [tweet(3, at=edge), tweet(4, at=edge + 1)]])
    assert looks.batches[-1].late == 1
    assert looks.due[-1] == [Due(window(edge), "all", "CA")]
    assert cells["all", "CA", "", window(edge)]["tweets"] == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_window_that_differs_from_a_recount_was_noted(
    spark: SparkSession, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    moments = [START + chance.randrange(30) * MINUTE + chance.randrange(MINUTE) for _ in range(400)]
    moments.sort(key=lambda at: at + chance.expovariate(1 / (8 * MINUTE)))
    made = [
        tweet(number, at=at, author=number % 50, place=chance.choice(CITIES))
        for number, at in enumerate(moments)
    ]
    parts = [made[start : start + 80] for start in range(0, len(made), 80)]
    cells, looks = run(spark, tmp_path, parts)
    again = Recount()
    for one in made:
        read = records.read(encode(one.event), APPENDED)
        for feed in read.feeds:
            again.add(read.post, feed)
    noted = {(one.feed, one.country, one.window_start) for batch in looks.due for one in batch}
    differing = {
        key
        for key, cell in again.cells.items()
        if key not in cells
        or (cells[key]["tweets"], cells[key]["active_users"]) != (cell.tweets, len(cell.users))
    }
    assert noted, "nothing was late: the test shows nothing"
    for feed, country, _, start in differing:
        assert (feed, country, start) in noted or (country == "*" and start in {key[2] for key in noted})


class TestEventsOfTheFuture:
    def test_one_counts_nowhere_and_does_not_move_the_watermark(
        self, spark: SparkSession, tmp_path: Path
    ) -> None:
        future = tweet(1, at=APPENDED + 5 * MINUTE + 1)
        far = tweet(2, at=APPENDED + 10_000 * MINUTE)
        near = tweet(3, at=APPENDED + 5 * MINUTE)
        usual = [tweet(number, at=START + 20 * MINUTE) for number in range(4, 8)]
        parts = [[future, far, usual[0]], [usual[1]], [usual[2], usual[3]], [near]]
        cells, looks = run(spark, tmp_path, parts)
        assert [one.late for one in looks.batches] == [0, 0, 0, 0]
        assert looks.batches[0].faulty == 2
        assert cells["all", "*", "", window(START + 20 * MINUTE)]["tweets"] == 4
        assert cells["all", "*", "", window(near.event.at)]["tweets"] == 1
        assert not any(key[3] > near.event.at for key in cells)


def test_what_is_faulty_is_told_apart(spark: SparkSession, tmp_path: Path) -> None:
    future = encode(tweet(1, at=APPENDED + 5 * MINUTE + 1).event).decode()
    (tmp_path / "records.txt").write_text("\n".join([future, "no event", encode(tweet(2).event).decode()]))
    parsed = query.parse(appended(spark.read.text(str(tmp_path / "records.txt"))))
    assert [row["fault"] for row in parsed.collect()] == ["future", "unusable", None]


class TestRetweets:
    def test_one_adds_to_its_cells_retweets_and_to_nothing_else(
        self, spark: SparkSession, tmp_path: Path
    ) -> None:
        original = tweet(7, place=CITIES[0]).event
        retweets = [tweet(number, author=number, retweet_of=original) for number in (1, 2)]
        elsewhere = tweet(3, author=9, place=CITIES[1])
        cells, _ = run(spark, tmp_path, [[*retweets, elsewhere], [retweets[0]]])
        for city in ("", elsewhere.event.city, retweets[0].event.city):
            cell = cells["all", "CA", city, window(START)]
            assert (cell["retweets"] == 2) == (city != elsewhere.event.city)
            assert cell["tweets"] == cell["originals"] == (city != retweets[0].event.city)
            assert cell["active_users"] == cell["tweets"]
            assert cell["unresolved"] == 0
        alone = cells["all", "CA", retweets[0].event.city, window(START)]
        assert (alone["first_at"], alone["last_at"]) == (None, None)
        assert alone["users_sketch"] is not None


class TestCopiesThatDiffer:
    @pytest.mark.parametrize("batches", [1, 2])
    def test_the_first_one_counts(self, spark: SparkSession, tmp_path: Path, batches: int) -> None:
        first = [tweet(number, place=CITIES[number % 2]) for number in range(300)]
        others = [tweet(number, place=CITIES[2], kinds=["replied_to"]) for number in range(300)]
        parts = [[*first, *others]] if batches == 1 else [first, others]
        cells, _ = run(spark, tmp_path, parts)
        assert cells["all", "CA", "", window(START)]["originals"] == 300
        assert ("all", "CA", others[0].event.city, window(START)) not in cells
