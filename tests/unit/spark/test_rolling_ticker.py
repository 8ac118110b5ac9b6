"""Hours and ranks after a look of the ticker, against a recount with sets."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citypulse.spark import rolling, tables
from citypulse.spark.config import Config
from citypulse.spark.metrics import Metrics
from citypulse.spark.rolling.hours import Hours
from citypulse.spark.rolling.ticker import Ticker

from . import cql
from .rolling_windows import DAY, HOUR, WINDOW, City, Windows, differing

NOW = 1_790_000_100_000 // DAY * DAY + 10 * HOUR + 2 * 60_000
LIVE = Config(checkpoint_dir="/c")
RUN = Config(checkpoint_dir="/c", run="demo")


class Running:
    """A ticker over tables in memory, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, config: Config = LIVE) -> None:
        self.config = config
        self.session = cql.connect(monkeypatch, config)
        self.windows = Windows(self.session, config.keyspace)
        self.now = NOW
        self.restart()

    def restart(self) -> None:
        self.ticker = Ticker(self.session, self.config, Metrics())  # type: ignore[arg-type]

    def tick(self, now: int | None = None, quiet: int | None = None) -> None:
        self.now = now or self.now
        self.session.clock = self.now
        self.ticker.tick(quiet or self.now, self.now)

    def differing(self) -> list[object]:
        return differing(self.windows, self.now)

    def list(self, country: str, metric: str, span: str) -> list[tuple[str, int]]:
        rows = self.session.rows["city_ranks"]
        chosen = sorted(key for key in rows if key[:4] == ("all", country, metric, span))
        return [(rows[key]["city_id"], rows[key]["value"]) for key in chosen]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(monkeypatch)


@pytest.fixture
def replaying(monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(monkeypatch, RUN)


class TestWhatIsWritten:
    def test_users_are_united_and_never_added_up(self, running: Running) -> None:
        for minutes in (1, 6, 11):
            running.windows.tweet("CA", "CA:a", NOW - minutes * 60_000, author=7)
        running.windows.write(NOW - 1)
        running.tick()
        assert running.list("CA", "tweets", "hour") == [("CA:a", 3)]
        assert running.list("CA", "active_users", "hour") == [("CA:a", 1)]
        assert running.differing() == []

    def test_the_last_hour_ages_while_nothing_arrives(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=7)
        running.windows.write(NOW - 1)
        running.tick()
        running.tick(NOW + 56 * 60_000)
        assert running.list("CA", "tweets", "hour") == [("CA:a", 1)]
        assert running.list("CA", "tweets", "window") == []
        running.tick(NOW + 61 * 60_000)
        assert running.list("CA", "tweets", "hour") == []
        assert running.list("CA", "tweets", "day") == [("CA:a", 1)]
        running.tick(NOW + 25 * HOUR)
        assert running.list("*", "tweets", "day") == []
        assert running.differing() == []

    def test_a_city_that_fell_silent_has_a_change(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:z", NOW - 3 * DAY, author=1)
        for _ in range(3):
            running.windows.tweet("CA", "CA:a", NOW - DAY - 30 * 60_000, author=7)
        running.windows.tweet("CA", "CA:b", NOW - 30 * 60_000, author=7)
        running.windows.write(NOW - 1)
        running.tick()
        assert running.list("CA", "change", "hour") == [("CA:b", 1), ("CA:a", -3)]
        assert running.differing() == []

    def test_without_a_day_before_there_is_no_change(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW - DAY, author=7)
        running.windows.tweet("CA", "CA:a", NOW - WINDOW, author=7)
        running.windows.write(NOW - 1)
        running.tick()
        assert running.list("CA", "change", "hour") == []
        assert running.differing() == []

    def test_what_was_not_received_is_added_up_and_counts_nothing(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        rows = running.session.rows["country_windows"]
        start = NOW // WINDOW * WINDOW
        for at, gap in ((start, 20), (start + WINDOW, 300), (start - 3 * HOUR, 7)):
            keys = {"feed": "all", "country": "CA", "window_start": at, "gap_seconds": gap}
            rows.setdefault(("all", "CA", at), {}).update(keys)
        running.tick()
        hours = running.session.rows["country_hours"]
        now, before = (hours["all", "CA", at // HOUR * HOUR] for at in (start, start - 3 * HOUR))
        assert (now["tweets"], now["gap_seconds"]) == (1, 320)
        assert (before.get("tweets"), before.get("active_users"), before["gap_seconds"]) == (None, None, 7)
        assert running.differing() == []
        rows["all", "CA", start]["gap_seconds"] = 0
        del rows["all", "CA", start - 3 * HOUR]
        running.tick(NOW + 10)
        assert [row["gap_seconds"] for row in hours.values() if row["country"] == "CA"] == [300]
        running.restart()
        running.session.written.clear()
        running.tick(NOW + 20)
        assert "country_hours" not in running.session.written

    def test_an_hour_that_began_in_a_gap_is_settled_when_something_is_counted(self, running: Running) -> None:
        start = NOW // WINDOW * WINDOW
        keys = {"feed": "all", "country": "CA", "window_start": start, "gap_seconds": 20}
        running.session.rows["country_windows"]["all", "CA", start] = dict(keys)
        running.tick()
        hour = running.session.rows["country_hours"]["all", "CA", NOW // HOUR * HOUR]
        assert (hour.get("tweets"), hour.get("updated_at"), hour["gap_seconds"]) == (None, None, 20)
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW + 10)
        running.tick(NOW + 20)
        hour = running.session.rows["country_hours"]["all", "CA", NOW // HOUR * HOUR]
        assert hour["tweets"] == 1
        assert hour["updated_at"]
        assert running.differing() == []

    def test_odd_names_of_feeds_and_cities_stay_as_they_are(self, running: Running) -> None:
        running.windows.cities = {
            ("CA", "CA:1"): City("Val-d'Or"),
            ("CA", "CA:2"): City("東京"),
            ("CA", "CA:3"): City(None),
            ("CA", "CA:4"): City("Äänekoski"),
        }
        for city in ("CA:1", "CA:2", "CA:3", "CA:4"):
            running.windows.tweet("CA", city, NOW, author=7, feed="выборы d'été")
        running.windows.write(NOW - 1)
        running.tick()
        rows = running.session.rows["city_ranks"]
        names = [rows["выборы d'été", "*", "tweets", "hour", rank]["name"] for rank in range(1, 5)]
        assert names == ["Val-d'Or", "Äänekoski", "東京", None]
        assert running.differing() == []

    def test_more_cities_than_two_thousand_keep_both_ends(self, running: Running) -> None:
        for number in range(2_100):
            running.windows.tweet("CA", f"CA:{number:04}", NOW, author=number)
        running.windows.write(NOW - 1)
        running.tick()
        assert len(running.list("CA", "tweets", "hour")) == 2_000
        assert running.list("CA", "tweets", "hour")[-1] == ("CA:2099", 1)
        assert running.differing() == []

    def test_no_nulls_are_written_which_would_be_tombstones(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.session.nulls = 0
        running.tick()
        running.tick(NOW + 20 * 60_000)
        assert running.session.nulls == 0


class TestNothingLingers:
    def test_rows_beyond_the_end_of_a_shorter_list_are_gone(self, running: Running) -> None:
        for number in range(5):
            running.windows.tweet(
                "CA", f"CA:{number}", NOW - 50 * 60_000 + number * 10 * 60_000, author=number
            )
        running.windows.write(NOW - 1)
        running.tick()
        assert len(running.list("CA", "tweets", "hour")) == 5
        running.tick(NOW + 25 * 60_000)
        assert len(running.list("CA", "tweets", "hour")) == 3
        assert running.differing() == []

    def test_also_those_that_another_process_left(self, running: Running) -> None:
        for number in range(5):
            running.windows.tweet(
                "CA", f"CA:{number}", NOW - 50 * 60_000 + number * 10 * 60_000, author=number
            )
        running.windows.write(NOW - 1)
        running.tick()
        running.restart()
        running.tick(NOW + 25 * 60_000)
        assert running.differing() == []

    def test_lists_of_a_feed_that_has_no_windows_any_more_are_removed(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 1)
        running.tick()
        for table in ("country_windows", "city_windows", "windows_by_country"):
            running.session.rows[table].clear()
        running.restart()
        running.tick()
        assert running.session.rows["city_ranks"] == {}

    def test_a_city_that_a_recount_removed_leaves_hours_and_ranks(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.tweet("CA", "CA:b", NOW, author=2)
        running.windows.write(NOW - 10)
        running.tick()
        start = NOW // WINDOW * WINDOW
        running.windows.remove(("all", "CA", "CA:b", start))
        for country in ("CA", "*"):
            cell = running.windows.cells["all", country, "", start]
            cell.tweets, cell.originals, cell.users = 1, 1, {1}
            running.windows.unwritten.add(("all", country, "", start))
        running.windows.write(NOW + 5)
        running.tick(NOW + 10)
        assert running.differing() == []

    def test_an_hour_that_lost_its_only_window_is_gone(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW - 3 * HOUR, author=1)
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        for key in [key for key in running.windows.cells if key[3] < NOW - HOUR]:
            running.windows.remove(key)
        running.tick(NOW + 10)
        assert running.differing() == []

    def test_a_recount_that_removes_every_city_of_a_window_or_a_whole_country(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.tweet("CA", "", NOW, author=1)
        running.windows.tweet("GB", "GB:a", NOW, author=2)
        running.windows.write(NOW - 10)
        running.tick()
        start = NOW // WINDOW * WINDOW
        for key in (("CA", "CA:a"), ("GB", "GB:a"), ("GB", "")):
            running.windows.remove(("all", *key, start))
        for country in ("CA", "*"):
            cell = running.windows.cells["all", country, "", start]
            cell.tweets, cell.originals, cell.users = 1, 1, {1}
            running.windows.unwritten.add(("all", country, "", start))
        running.windows.write(NOW + 5)
        running.tick(NOW + 10)
        assert running.differing() == []


class TestWhatIsRead:
    def test_a_window_read_in_mid_batch_is_read_again_when_the_batch_is_done(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW, cities=False)
        running.tick(NOW + 5, quiet=NOW - 1)
        assert running.differing()
        running.windows.write(NOW)
        running.tick(NOW + 30, quiet=NOW + 20)
        assert running.differing() == []

    def test_rows_of_a_city_that_do_not_agree_yet_are_read_again(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        before = dict(running.session.rows["city_windows"])
        old = {key: dict(row) for key, row in before.items()}
        running.windows.tweet("CA", "CA:a", NOW, author=2)
        running.windows.write(NOW)
        new, running.session.rows["city_windows"] = running.session.rows["city_windows"], old
        running.tick(NOW + 5, quiet=NOW - 1)
        running.session.rows["city_windows"] = new
        running.tick(NOW + 30, quiet=NOW + 20)
        assert running.differing() == []

    def test_a_window_is_read_a_last_time_when_it_has_rested(self, running: Running) -> None:
        """Another process wrote the country's row first and its cities later, without a word."""
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10, cities=False)
        running.tick(NOW)
        running.windows.write(NOW - 10)
        running.tick(NOW + 10 * 60_000)
        assert running.differing()
        running.tick(NOW + 15 * 60_000)
        assert running.differing() == []

    def test_windows_older_than_two_days_still_make_hours(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        running.windows.tweet("CA", "CA:a", NOW - 4 * DAY, author=2)
        running.windows.write(NOW)
        running.tick(NOW + 10)
        assert running.differing() == []

    def test_after_a_restart_only_hours_that_are_not_current_are_written(self, running: Running) -> None:
        for hours in range(30):
            running.windows.tweet("CA", "CA:a", NOW - hours * HOUR, author=hours)
        running.windows.write(NOW - 10)
        running.tick()
        running.restart()
        running.windows.tweet("CA", "CA:a", NOW - 5 * HOUR, author=1000)
        running.windows.write(NOW + 10)
        running.session.written.clear()
        running.tick(NOW + 20)
        assert running.session.written.count("city_hours") == 1
        assert running.differing() == []

    @pytest.mark.parametrize("early", [-60_000, 500])
    def test_a_window_that_goes_a_moment_before_its_time_is_not_removed(
        self, running: Running, early: int
    ) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW + 900)
        running.tick(NOW + 2 * HOUR)
        hours = copy.deepcopy([running.session.rows[table] for table in ("city_hours", "country_hours")])
        for table in ("city_windows", "windows_by_country", "country_windows"):
            running.session.rows[table].clear()
        running.tick(NOW + 900 + 7 * DAY - early)
        assert [running.session.rows[table] for table in ("city_hours", "country_hours")] == hours

    def test_an_old_hour_of_which_a_recounted_window_outlives_the_others_stays(
        self, running: Running
    ) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.tweet("CA", "CA:a", NOW + 20 * 60_000, author=2)
        running.windows.write(NOW)
        rows = running.session.rows["country_windows"]
        rows["all", "CA", NOW // WINDOW * WINDOW]["gap_seconds"] = 60
        running.windows.tweet("CA", "CA:a", NOW + 20 * 60_000, author=3)
        running.windows.write(NOW + DAY)
        running.tick(NOW + DAY + 10)
        hours = copy.deepcopy(running.session.rows["country_hours"])
        for table in ("city_windows", "windows_by_country", "country_windows"):
            for key in [key for key in running.session.rows[table] if NOW // WINDOW * WINDOW in key]:
                del running.session.rows[table][key]
        running.restart()
        running.tick(NOW + 7 * DAY + HOUR)
        assert running.session.rows["country_hours"] == hours

    def test_counts_that_go_before_what_was_put_right_later_in_their_row_are_not_removed(
        self, running: Running
    ) -> None:
        for minutes in (0, 20):
            running.windows.tweet("CA", "CA:a", NOW + minutes * 60_000, author=minutes)
            running.windows.write(NOW + minutes * 60_000)
        running.tick(NOW + HOUR)
        hours = copy.deepcopy([running.session.rows[table] for table in ("city_hours", "country_hours")])
        for table in ("city_windows", "windows_by_country"):
            for key in [key for key in running.session.rows[table] if NOW // WINDOW * WINDOW in key]:
                del running.session.rows[table][key]
        for country in ("CA", "*"):
            row = running.session.rows["country_windows"]["all", country, NOW // WINDOW * WINDOW]
            row.update({name: None for name in row if name not in ("feed", "country", "window_start")})
            row["gap_seconds"] = 0
        running.tick(NOW + 7 * DAY + 1)
        assert [running.session.rows[table] for table in ("city_hours", "country_hours")] == hours

    def test_windows_of_a_recounted_hour_expire_as_others_do(self, running: Running) -> None:
        for minutes in (0, 20):
            running.windows.tweet("CA", "CA:a", NOW + minutes * 60_000, author=minutes)
        running.windows.write(NOW + 20 * 60_000)
        running.tick(NOW + HOUR)
        for country in ("CA", "*"):
            rolling.rebuild(running.session, LIVE, "all", country, [NOW])  # type: ignore[arg-type]
        running.tick(NOW + 2 * HOUR)
        assert running.differing() == []
        hours = copy.deepcopy([running.session.rows[table] for table in ("city_hours", "country_hours")])
        for minutes in (0, 20):
            for table in ("city_windows", "windows_by_country", "country_windows"):
                start = (NOW + minutes * 60_000) // WINDOW * WINDOW
                for key in [key for key in running.session.rows[table] if start in key]:
                    del running.session.rows[table][key]
            running.tick(NOW + 20 * 60_000 + 7 * DAY + minutes)
        assert [running.session.rows[table] for table in ("city_hours", "country_hours")] == hours

    def test_expired_windows_take_nothing_from_their_hour(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.tweet("CA", "CA:a", NOW + 20 * 60_000, author=2)
        running.windows.write(NOW)
        running.tick(NOW + 30 * 60_000)
        hour = copy.deepcopy(running.session.rows["city_hours"])
        late = NOW + 7 * DAY
        for table in ("country_windows", "city_windows", "windows_by_country"):
            rows = running.session.rows[table]
            for key in [key for key, row in rows.items() if row["window_start"] <= NOW]:
                del rows[key]
        running.tick(late + 1)
        running.restart()
        running.tick(late + 2)
        assert running.session.rows["city_hours"] == hour

    def test_a_name_that_comes_late_reaches_hours_and_ranks(self, running: Running) -> None:
        running.windows.cities["CA", "CA:a"] = City(None)
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        running.windows.cities["CA", "CA:a"].name = "Toronto"
        running.session.rows["cities"]["CA", "CA:a"]["name"] = "Toronto"
        running.tick(NOW + 10)
        assert running.differing() == []

    def test_what_cassandra_did_not_take_is_written_the_next_time(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        running.windows.tweet("CA", "CA:a", NOW, author=2)
        running.windows.write(NOW + 1)
        put, left = running.session._put, [3]

        def failing(table: str, row: cql.Row) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise cql.OperationTimedOut
            put(table, row)

        for attempt in range(40):
            left[0] = attempt
            running.session._put = failing  # type: ignore[method-assign]
            try:
                running.tick(NOW + 10 + attempt)
                break
            except cql.OperationTimedOut:
                pass
        else:
            pytest.fail("the look never ended")
        assert running.differing() == []

    def test_an_hour_left_unsettled_is_settled_although_cassandra_did_not_answer_in_time(
        self, running: Running
    ) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        put = running.session._put

        def late(table: str, row: cql.Row) -> None:
            put(table, row)
            if (table, row["country"]) == ("country_hours", "CA"):
                raise cql.OperationTimedOut

        running.windows.tweet("CA", "CA:a", NOW, author=2)
        running.windows.write(NOW + 1)
        running.session._put = late  # type: ignore[method-assign]  # a Cassandra that answers late
        with pytest.raises(cql.OperationTimedOut):
            # A batch is being written.
            running.tick(NOW + 10, quiet=NOW - 5)
        running.session._put = put  # type: ignore[method-assign]  # and in time again
        assert running.session.rows["country_hours"]["all", "CA", NOW // HOUR * HOUR]["updated_at"] is None
        running.tick(NOW + 20)
        assert running.session.rows["country_hours"]["all", "CA", NOW // HOUR * HOUR]["updated_at"]
        assert running.differing() == []


class TestNow:
    def test_a_replay_of_old_tweets_ends_its_spans_with_the_newest_window(self, replaying: Running) -> None:
        newest = NOW - 900 * DAY
        replaying.windows.tweet("CA", "CA:a", newest, author=1)
        replaying.windows.tweet("CA", "CA:b", newest - 20 * HOUR, author=1)
        replaying.windows.write(NOW - 10)
        replaying.tick()
        assert replaying.list("CA", "tweets", "hour") == [("CA:a", 1)]
        assert replaying.list("CA", "tweets", "day") == [("CA:a", 1), ("CA:b", 1)]
        assert differing(replaying.windows, newest) == []

    def test_a_run_of_today_goes_with_the_clock(self, replaying: Running) -> None:
        replaying.windows.tweet("CA", "CA:a", NOW, author=1)
        replaying.windows.write(NOW)
        replaying.tick(NOW + 3 * HOUR)
        assert replaying.list("CA", "tweets", "hour") == []

    def test_the_live_run_never_shows_what_is_older_than_a_day(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW)
        running.tick(NOW + 3 * DAY)
        assert running.session.rows["city_ranks"] == {}


class TestRebuild:
    def test_puts_hours_right_and_is_seen_by_the_ticker(self, running: Running) -> None:
        """The recount's country row was seen before its cities were written."""
        at = NOW - 5 * HOUR
        running.windows.tweet("CA", "CA:a", at, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        running.windows.tweet("CA", "CA:b", at, author=2)
        running.windows.write(NOW, cities=False)
        running.tick(NOW + 10)
        running.windows.write(NOW)
        for country in ("CA", "*"):
            assert rolling.rebuild(running.session, LIVE, "all", country, [at]) == 1  # type: ignore[arg-type]
        wanted = [one for one in running.differing() if one.table != "city_ranks"]  # type: ignore[attr-defined]
        assert wanted == []
        running.tick(int(time.time() * 1000) + 10)
        running.now = NOW
        running.tick(NOW, quiet=int(time.time() * 1000) + 10)
        assert running.differing() == []

    def test_of_a_recount_that_only_moves_tweets_from_one_city_to_another(self, running: Running) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        running.windows.remove(("all", "CA", "CA:a", NOW // WINDOW * WINDOW))
        for key in list(running.windows.cells):
            running.windows.remove(key)
        running.windows.tweet("CA", "CA:b", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick(NOW + 10)
        assert running.differing()
        rolling.rebuild(running.session, LIVE, "all", "CA", [NOW])  # type: ignore[arg-type]
        running.tick(NOW + 20, quiet=int(time.time() * 1000) + 10)
        assert running.differing() == []

    def test_removes_cities_and_hours_that_no_window_has_any_more(self, running: Running) -> None:
        at = int(time.time() * 1000) - 3 * HOUR
        for city in ("CA:a", "CA:b"):
            running.windows.tweet("CA", city, at, author=1)
            running.windows.tweet("CA", city, at - HOUR, author=1)
        running.windows.write(NOW - 10)
        running.tick(at + 3 * HOUR)
        for key in [key for key in running.windows.cells if key[2] == "CA:b" or key[3] < at - HOUR // 2]:
            running.windows.remove(key)
        for country in ("CA", "*"):
            rolling.rebuild(running.session, LIVE, "all", country, [at, at - HOUR])  # type: ignore[arg-type]
        assert {key[2] for key in running.session.rows["city_hours"]} == {"CA:a"}
        assert len(running.session.rows["city_hours"]) == 1
        assert len(running.session.rows["country_hours"]) == 2

    @pytest.mark.parametrize("countries_first", [False, True])
    def test_is_repeated_while_a_window_changes(
        self, running: Running, monkeypatch: pytest.MonkeyPatch, countries_first: bool
    ) -> None:
        """A batch ends, and the ticker has merged and written it before the older merge is written."""
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        unlisted, landed = Hours.unlisted, []
        running.windows.tweet("CA", "CA:b", NOW, author=2)
        if countries_first:
            running.windows.write(NOW + 5, cities=False)

        def meanwhile(hours: Hours, *arguments: Any) -> Any:
            if not landed:
                landed.append(1)
                running.windows.write(NOW + 5)
                running.tick(NOW + 10)
            return unlisted(hours, *arguments)

        monkeypatch.setattr(Hours, "unlisted", meanwhile)
        assert rolling.rebuild(running.session, LIVE, "all", "CA", [NOW]) == 1  # type: ignore[arg-type]
        assert landed
        assert [one for one in running.differing() if one.table != "city_ranks"] == []  # type: ignore[attr-defined]

    def test_that_never_catches_up_leaves_the_hour_unsettled(
        self, running: Running, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        unlisted = Hours.unlisted

        def meanwhile(hours: Hours, *arguments: Any) -> Any:
            running.windows.tweet("CA", "CA:a", NOW, author=2)
            running.windows.write(NOW + 5)
            return unlisted(hours, *arguments)

        monkeypatch.setattr(Hours, "unlisted", meanwhile)
        rolling.rebuild(running.session, LIVE, "all", "CA", [NOW])  # type: ignore[arg-type]
        assert running.session.rows["country_hours"]["all", "CA", NOW // HOUR * HOUR]["updated_at"] is None


class TestARecountThatDied:
    """Between the windows and the hours."""

    def begun(self, running: Running, at: int, gone: set[str]) -> None:
        """Its hour is unsettled, its windows are without some cities (an empty one is the country)."""
        for city in ("CA:a", "CA:b"):
            running.windows.tweet("CA", city, at, author=1)
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        pairs = [("all", "CA"), ("all", "*")]
        rolling.unsettle(running.session, LIVE, pairs, at // HOUR * HOUR)  # type: ignore[arg-type]
        for key in [key for key in running.windows.cells if key[2] in gone and key[3] < at + WINDOW]:
            running.windows.remove(key)

    @pytest.mark.parametrize("gone", [{"CA:b"}, {"CA:a", "CA:b", ""}])
    @pytest.mark.parametrize("hours", [3, 60])
    def test_is_made_good_when_the_ticker_starts_again(
        self, running: Running, hours: int, gone: set[str]
    ) -> None:
        self.begun(running, NOW - hours * HOUR, gone)
        running.restart()
        running.tick(NOW + 10)
        for table, of_cities in (("city_hours", True), ("country_hours", False)):
            wanted = {
                (*key[: 3 if of_cities else 2], key[3] // HOUR * HOUR)
                for key in running.windows.cells
                if bool(key[2]) is of_cities
            }
            assert running.session.rows[table].keys() == wanted

    def test_of_the_last_windows_of_a_country_is_made_good_too(self, running: Running) -> None:
        self.begun(running, NOW - 3 * HOUR, set())
        for key in list(running.windows.cells):
            running.windows.remove(key)
        running.restart()
        running.tick(NOW + 10)
        hour = (NOW - 3 * HOUR) // HOUR * HOUR
        for table in ("city_hours", "country_hours"):
            assert not [key for key in running.session.rows[table] if key[-1] == hour]

    def test_of_old_tweets_is_made_good_too(self, replaying: Running) -> None:
        """Their windows were written lately."""
        at = NOW - 100 * DAY
        for hours in (0, 3):
            replaying.windows.tweet("CA", "CA:a", at - hours * HOUR, author=1)
        replaying.windows.write(NOW - 10)
        replaying.tick()
        hour = (at - 3 * HOUR) // HOUR * HOUR
        rolling.unsettle(replaying.session, RUN, [("all", "CA"), ("all", "*")], hour)  # type: ignore[arg-type]
        for country in ("CA", "*"):
            cell = replaying.windows.cells["all", country, "", (at - 3 * HOUR) // WINDOW * WINDOW]
            cell.retweets += 1
            replaying.windows.unwritten.add(("all", country, "", (at - 3 * HOUR) // WINDOW * WINDOW))
        replaying.windows.write(NOW + 10)
        replaying.restart()
        replaying.tick(NOW + 20)
        assert differing(replaying.windows, (at // WINDOW + 1) * WINDOW - 1) == []

    def test_is_not_taken_for_settled_by_a_ticker_that_goes_on(self, running: Running) -> None:
        """It has moved a tweet to another city when another window of the hour changes."""
        running.windows.tweet("CA", "CA:a", NOW, author=1)
        running.windows.write(NOW - 10)
        running.tick()
        hour = NOW // HOUR * HOUR
        rolling.unsettle(running.session, LIVE, [("all", "CA")], hour)  # type: ignore[arg-type]
        key = ("all", "CA", "CA:a", NOW // WINDOW * WINDOW)
        running.windows.cells["all", "CA", "CA:b", key[3]] = running.windows.cells[key]
        running.windows.remove(key)
        running.windows.cities["CA", "CA:b"] = City("B")
        running.windows.unwritten.add(("all", "CA", "CA:b", key[3]))
        running.windows.write(NOW - 10)
        running.windows.tweet("CA", "CA:c", NOW + WINDOW, author=1)
        running.windows.write(NOW + WINDOW)
        running.tick(NOW + WINDOW + 10)
        assert running.session.rows["country_hours"]["all", "CA", hour]["updated_at"] is None
        assert {key[2] for key in running.session.rows["city_hours"]} == {"CA:b", "CA:c"}

    def test_is_seen_by_the_next_one(self, running: Running) -> None:
        at = NOW - 60 * HOUR
        self.begun(running, at, {"CA:b"})
        span = at // HOUR * HOUR, NOW

        def found() -> Any:
            return rolling.unsettled(running.session, LIVE, span, lambda key: key["feed"] == "all")  # type: ignore[arg-type]

        assert found() == {at // HOUR * HOUR: {("all", "CA"), ("all", "*")}}
        for country in ("CA", "*"):
            rolling.rebuild(running.session, LIVE, "all", country, [at])  # type: ignore[arg-type]
        assert found() == {}


def test_any_history_of_writes_restarts_and_looks_ends_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    tweets = st.tuples(
        st.sampled_from(["CA", "GB"]),
        st.sampled_from(["", "a", "b", "c"]),
        st.integers(0, 50 * 12).map(lambda windows: windows * WINDOW + 7),
        st.integers(1, 5),
        st.sampled_from(["originals", "replies", "quotes", "retweets"]),
        st.sampled_from(["all", "election"]),
    )
    step = st.tuples(
        st.lists(tweets, max_size=4), st.booleans(), st.integers(0, 400) | st.integers(0, 2), st.booleans()
    )

    @settings(max_examples=80, suppress_health_check=list(HealthCheck))
    @given(st.lists(step, min_size=1, max_size=6))
    def history(steps: list[tuple[list[tuple[str, str, int, int, str, str]], bool, int, bool]]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            running = Running(patch)
            for tweeted, restart, minutes, mid_batch in steps:
                running.now += minutes * 60_000 + 2  # no two batches in the same moment
                for country, city, ago, author, kind, feed in tweeted:
                    name = f"{country}:{city}" if city else ""
                    running.windows.tweet(country, name, running.now - ago, author, kind, feed)
                if mid_batch:
                    running.windows.write(running.now, cities=False)
                    running.tick(running.now, quiet=running.now - 1)
                running.windows.write(running.now)
                if restart:
                    running.restart()
                running.tick(running.now, quiet=running.now + 1)
                assert running.differing() == []

    history()


class TestTheThread:
    def start(
        self, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., object]
    ) -> tuple[threading.Thread, threading.Event, Metrics]:
        monkeypatch.setattr(tables, "wait", connect)
        told, metrics = threading.Event(), Metrics()
        config = Config(checkpoint_dir="/c", tick_seconds=0.001)
        return rolling.start(config, threading.Lock(), metrics, told), told, metrics

    def test_dies_of_what_time_does_not_mend(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        thread, _, _ = self.start(monkeypatch, lambda *_: object())
        thread.join(60)
        assert not thread.is_alive()

    def test_waits_while_cassandra_does_not_answer_and_ends_when_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = cql.connect(monkeypatch, LIVE)
        session.down = True
        session.cluster = type("Cluster", (), {"shutdown": lambda self: None})()  # type: ignore[attr-defined]
        thread, told, metrics = self.start(monkeypatch, lambda *_: session)
        deadline = time.monotonic() + 60
        while not _samples(metrics, "citypulse_spark_rolling_seconds_count") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert thread.is_alive()
        session.down = False
        while (
            not _samples(metrics, "citypulse_spark_rolled_timestamp_seconds") and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        assert _samples(metrics, "citypulse_spark_rolled_timestamp_seconds")
        told.set()
        thread.join(60)
        assert not thread.is_alive()


def _samples(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name) or 0.0
