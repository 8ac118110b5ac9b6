"""What verify reads besides the topics: the job's checkpoint, its list, and which place a person means."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition

from citypulse.spark.config import Config, Http
from citypulse.spark.counting.query import PLAN
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.verify import aside, hourly, job, ranked, report, rolled
from citypulse.spark.verify.compare import Comparison, Difference, expected
from citypulse.spark.verify.explain import which
from citypulse.spark.verify.tally import City, Post, Recount

HOUR = 3_600_000
HOURS = ("city_hours", "country_hours")


class TestHowFarTheJobIs:
    def test_the_last_committed_batch_says_it(self, tmp_path: Path) -> None:
        plan = tmp_path / PLAN
        for log in ("commits", "offsets"):
            (plan / log).mkdir(parents=True)
        for batch in (9, 10, 11):
            offsets = json.dumps({"tweets": {"0": batch * 100, "1": 5}})
            (plan / "offsets" / str(batch)).write_text(f"v1\n{{}}\n{offsets}")
        for batch in (9, 10):
            (plan / "commits" / str(batch)).write_text("v1\n{}")
            (plan / "commits" / f".{batch}.crc").write_text("")
        for place in (str(tmp_path), f"file:{tmp_path}"):
            assert job.committed(Config(checkpoint_dir=place)) == {
                TopicPartition("tweets", 0): 1000,
                TopicPartition("tweets", 1): 5,
            }

    def test_nothing_is_counted_before_the_first_batch(self, tmp_path: Path) -> None:
        assert job.committed(Config(checkpoint_dir=str(tmp_path))) == {}
        (tmp_path / PLAN / "commits").mkdir(parents=True)
        assert job.committed(Config(checkpoint_dir=str(tmp_path))) == {}

    def test_a_damaged_checkpoint_is_named(self, tmp_path: Path) -> None:
        for log in ("commits", "offsets"):
            (tmp_path / PLAN / log).mkdir(parents=True)
            (tmp_path / PLAN / log / "0").write_text("v1\n")
        with pytest.raises(StopError, match=f"checkpoint_dir = {tmp_path}"):
            job.committed(Config(checkpoint_dir=str(tmp_path)))

    def test_a_checkpoint_elsewhere_leaves_it_to_the_job_to_say(self) -> None:
        config = Config(checkpoint_dir="s3a://bucket/checkpoint", http=Http(port=1))
        with pytest.raises(StopError, match=r"the job does not answer at http://127\.0\.0\.1:1/status"):
            job.committed(config)


KNOWN = {
    "CA:1": City("Montréal, Québec", None, None),
    "CA:2": City("London, Ontario", None, None),
    "GB:3": City("London, Ontario", None, None),
}


class TestWhichPlaceIsMeant:
    @pytest.mark.parametrize(
        ("place", "meant"),
        [
            ("*", (None, None)),
            ("CA", ("CA", None)),
            ("CA:1", ("CA", "CA:1")),
            ("CA:9", ("CA", "CA:9")),
            ("montréal, québec", ("CA", "CA:1")),
            ("Montre\u0301al, Que\u0301bec", ("CA", "CA:1")),
        ],
    )
    def test_by_id_name_country_or_star(self, place: str, meant: tuple[str | None, str | None]) -> None:
        assert which(place, KNOWN) == meant

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("London, Ontario", "several cities are called so, CA:2, GB:3"),
            ("Atlantis", "no city is called so"),
        ],
    )
    def test_a_name_that_is_not_one_citys_is_refused(self, place: str, said: str) -> None:
        with pytest.raises(BadInputError, match=said):
            which(place, KNOWN)


def post(number: int, at: int, *kinds: str) -> Post:
    return Post(number, at, number, frozenset(kinds), "CA", "CA:1")


class TestHours:
    def recount(self) -> Recount:
        result = Recount()
        for number in range(12):
            result.add(post(number, HOUR + number * 600_000), "all", City("Montréal", 1.0, 2.0))
        return result

    def found(self, wanted: Recount, updated_at: int) -> dict[str, Any]:
        rows = hourly.rolled.hours(wanted.cells, wanted.cities)
        no_sketch = {"users_sketch": bytes([2, 3, 3, 0, 0, 0, 0, 0]) + (6).to_bytes(8, "little")}
        return {
            table: {key: {**row, **no_sketch, "updated_at": updated_at} for key, row in rows[table].items()}
            for table in HOURS
        }

    def windows(self, updated_at: int) -> dict[Any, dict[str, Any]]:
        return {
            ("all", country, HOUR + n * 300_000): {"updated_at": updated_at - n}
            for country in ("CA", "*")
            for n in range(24)
        }

    def compare(self, again: Recount, found: dict[str, Any], span: tuple[int, int]) -> hourly.Hours:
        return hourly.compare(again, found, self.windows(50), self.windows(50), span)

    def test_hours_that_are_merged_from_their_windows_are_compared(self) -> None:
        again = self.recount()
        found = self.found(again, 50)
        windows = self.windows(50)
        windows |= {key: {"updated_at": 50} for key in windows if key[2] == 2 * HOUR}
        result = hourly.compare(again, found, windows, windows, (HOUR, 3 * HOUR))
        assert (result.differences, result.behind, result.rows) == ([], set(), 6)
        found["city_hours"]["all", "CA", "CA:1", HOUR]["tweets"] += 1
        (difference,) = hourly.compare(again, found, windows, windows, (HOUR, 3 * HOUR)).differences
        assert (difference.column, difference.expected, difference.found) == ("tweets", 6, 7)

    def test_an_hour_whose_windows_have_changed_since_is_behind(self) -> None:
        again = self.recount()
        result = self.compare(again, self.found(again, 49), (HOUR, 2 * HOUR))
        assert (result.rows, result.behind) == (0, {("all", "CA", HOUR), ("all", "*", HOUR)})
        missing = {table: {} for table in HOURS}
        assert self.compare(again, missing, (HOUR, 2 * HOUR)).behind == result.behind

    def test_an_hour_of_which_a_window_was_written_since_is_open(self) -> None:
        again = self.recount()
        windows = self.windows(50) | {("all", "CA", HOUR): {"updated_at": 51}}
        result = hourly.compare(again, self.found(again, 51), windows, self.windows(50), (HOUR, 2 * HOUR))
        assert (result.open, result.differences) == ({("all", "CA", HOUR)}, [])

    def test_an_hour_that_is_open_or_only_partly_recounted_is_not_compared(self) -> None:
        again = self.recount()
        again.add(post(99, HOUR + 1), "all", is_open=True)
        found = self.found(self.recount(), 50)
        assert self.compare(again, found, (HOUR, 3 * HOUR - 1)).rows == 0


class TestLists:
    NOW = 3 * HOUR - 1
    KEY = ("all", "CA", "tweets", "hour", 1)

    def recount(self) -> Recount:
        result = Recount()
        for number in range(24):
            result.add(post(number, HOUR + number * 300_000), "all", City("Montréal", 1.0, 2.0))
        return result

    def found(self, moment: int = NOW, updated_at: int = 50) -> dict[Any, dict[str, Any]]:
        again = self.recount()
        rows = rolled.ranks(again.cells, again.cities, moment)
        return {key: {**row, "updated_at": updated_at} for key, row in rows.items()}

    def windows(self, updated_at: int = 40) -> dict[Any, dict[str, Any]]:
        return {("all", country, 2 * HOUR): {"updated_at": updated_at} for country in ("CA", "*")}

    def compare(
        self,
        found: dict[Any, Any],
        windows: dict[Any, Any] | None = None,
        *,
        again: Recount | None = None,
        before: dict[Any, Any] | None = None,
        span: Any = None,
        now: int = NOW,
    ) -> ranked.Ranks:
        windows = windows or self.windows()
        return ranked.compare(again or self.recount(), found, windows, before or windows, span, now)

    def test_that_are_right_are_compared(self) -> None:
        result = self.compare(self.found())
        assert (result.differences, result.behind) == ([], set())
        assert result.rows == len(self.found()) == 18

    def test_that_differ_are_told(self) -> None:
        found = self.found()
        found[self.KEY]["tweets"] += 1
        del found["all", "*", "retweets", "day", 1]
        found["all", "GB", "tweets", "hour", 1] = found[self.KEY]
        told = self.compare(found).differences
        assert [(one.key[1], one.column) for one in told] == [("*", ""), ("CA", "tweets"), ("GB", "")]

    def test_that_differ_and_are_older_than_a_window_are_behind(self) -> None:
        found = self.found()
        found[self.KEY]["tweets"] += 1
        result = self.compare(found, self.windows(60))
        assert (result.differences, result.behind, result.rows) == ([], {self.KEY[:4]}, 17)

    def test_that_have_not_rolled_yet_are_behind(self) -> None:
        found = self.found(self.NOW + 300_000)
        found[self.KEY] = self.found()[self.KEY]
        result = self.compare(found)
        assert (result.differences, result.behind) == ([], {self.KEY[:4]})

    def test_are_all_behind_before_the_first_look(self) -> None:
        result = self.compare({})
        assert {(one.feed, one.country) for one in result.behind} == {("all", "CA"), ("all", "*")}

    def test_of_which_something_is_open_are_not_compared(self) -> None:
        again = self.recount()
        again.add(post(99, HOUR + 1), "all", is_open=True)
        result = self.compare(self.found(), again=again)
        # Only the lists of the day reach so far.
        assert (result.differences, result.rows) == ([], 12)

    def test_of_other_times_than_were_recounted_are_not_compared(self) -> None:
        result = self.compare(self.found(), span=(HOUR, 3 * HOUR))
        assert {key[3] for key in self.found()} == {"window", "hour", "day"}
        assert (result.differences, result.rows) == ([], 12)

    def test_that_are_older_than_a_window_they_do_not_count_are_told(self) -> None:
        found = self.found()
        found[self.KEY]["tweets"] += 1
        windows = self.windows() | {("all", "CA", HOUR - 300_000): {"updated_at": 60}}
        (difference,) = self.compare(found, windows).differences
        assert difference.key == self.KEY

    def test_of_a_window_that_was_written_since_are_open(self) -> None:
        found = self.found()
        found[self.KEY]["tweets"] += 1
        windows = self.windows() | {("all", "CA", 2 * HOUR): {"updated_at": 45}}
        result = self.compare(found, windows, before=self.windows())
        assert (result.differences, result.behind) == ([], set())
        assert {key[1] for key in result.open} == {"CA"}
        assert self.KEY[:4] in result.open

    def test_of_all_countries_are_as_old_as_the_newest_window_of_any(self) -> None:
        found = self.found()
        found["all", "*", "tweets", "hour", 1]["tweets"] += 1
        result = self.compare(found, self.windows() | {("all", "CA", 2 * HOUR): {"updated_at": 60}})
        assert (result.differences, {key[1] for key in result.behind}) == ([], {"*"})

    def test_are_not_due_where_no_city_is(self) -> None:
        again = Recount()
        again.add(Post(1, HOUR, 1, frozenset(), "CA", None), "all")
        assert self.compare({}, again=again) == ranked.Ranks()

    def test_are_rightly_not_there_a_day_after_the_last_tweet(self) -> None:
        assert self.compare({}, now=self.NOW + 49 * HOUR) == ranked.Ranks()

    def test_that_should_have_rolled_on_are_compared_as_of_then_and_told(self) -> None:
        assert self.compare(self.found(), now=self.NOW + 300_000).old is None
        result = self.compare(self.found(), now=self.NOW + 300_001)
        assert (result.old, result.rows) == (3 * HOUR, 18)

    def test_are_of_now_but_for_a_replay_of_another_day(self) -> None:
        end = 3 * HOUR
        for live, clock, moment in (
            (False, end + 24 * HOUR, end + 24 * HOUR),
            (False, end + 24 * HOUR + 1, end - 1),
            (True, end + 24 * HOUR + 1, end + 24 * HOUR + 1),
        ):
            assert ranked.moment(self.recount(), clock, live=live) == moment


def test_a_city_of_retweets_alone_has_its_name_in_its_rows_and_no_row_of_its_own() -> None:
    again = Recount()
    again.add(post(1, HOUR, "retweeted"), "all", City("Montréal", 1.0, 2.0))
    wanted = expected(again)
    assert wanted.rows["city_windows"]["all", "CA", "CA:1", HOUR]["name"] == "Montréal"
    assert wanted.rows["cities"] == {}


def test_names_are_not_shared_between_recounts() -> None:
    name = City("Montréal", 1.0, 2.0)
    Recount().add(post(1, HOUR), "all", name)
    assert name == msgspec.structs.replace(name, first_seen=None, last_seen=None)


class TestWhatIsSetAside:
    COMMITTED = {TopicPartition("tweets", 0): 5}  # noqa: RUF012

    def differing(self, wanted: dict[aside.Place, str], found: dict[aside.Place, str]) -> list[int]:
        return [one.key[2] for one in aside.compare(wanted, found, self.COMMITTED)]

    def test_every_committed_record_that_counts_nowhere_is_there_with_its_reason(self) -> None:
        wanted = {("tweets", 0, 1): "unusable", ("tweets", 0, 2): "future", ("tweets", 0, 3): "future"}
        assert self.differing(wanted, wanted) == []
        assert self.differing(wanted, {**wanted, ("tweets", 0, 2): "unusable"}) == [2]
        assert self.differing(wanted, {("tweets", 0, 3): "future"}) == [1, 2]

    def test_no_other_record_is_there(self) -> None:
        assert self.differing({}, {("tweets", 0, 1): "future", ("tweets", 0, 9): "future"}) == [1, 9]

    def test_what_is_not_committed_may_be_there_or_not(self) -> None:
        later = {("tweets", 0, 5): "future", ("other", 0, 1): "future"}
        assert self.differing(later, {}) == []
        assert self.differing(later, later) == []


def test_the_key_of_a_difference_shows_times_as_such_and_ranks_as_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    key = ("all", "CA", "tweets", "hour", 2)
    differences = [
        Difference("city_ranks", key, "tweets", 1, 2),
        Difference("x", ("CA", HOUR * 500_000), "", 1, 2),
    ]
    report.show(report.console(), Comparison(differing=2, differences=differences))
    said = capsys.readouterr().out
    assert "all CA tweets hour 2 " in said
    assert "CA 2027-01-15 08:00:00" in said
