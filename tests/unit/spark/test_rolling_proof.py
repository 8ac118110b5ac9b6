"""What verify takes hours and ranks for, and what it lets pass."""

from __future__ import annotations

from typing import Any

from citypulse.spark.verify import rolled, rolled_tables

from .rolling_windows import HOUR, WINDOW, City, Counted, sketch

START = 1_790_000_100_000 // HOUR * HOUR
CITIES: dict[rolled.CityKey, rolled.City] = {("CA", "CA:a"): City("A"), ("CA", "CA:b"): City("B")}


def counted(users: set[int], retweets: int = 0) -> Counted:
    return Counted(len(users), len(users), retweets=retweets, users=users)


def cells(a: set[int], b: set[int]) -> rolled.Cells:
    return {
        ("all", "CA", "CA:a", START): counted(a, 2),
        ("all", "CA", "CA:b", START): counted(b),
        ("all", "CA", "", START): counted(a | b, 2),
        ("all", "*", "", START): counted(a | b, 2),
    }


def shown(rows: rolled_tables.Rows, metric: str, span: str) -> list[tuple[str, int]]:
    chosen = sorted(key for key in rows if key[1:4] == ("CA", metric, span))
    return [(rows[key]["city_id"], rows[key]["value"]) for key in chosen]


class TestWhatIsExpected:
    def test_of_an_hour_unites_users(self) -> None:
        made = dict(cells({1, 2}, {3}))
        made["all", "CA", "CA:a", START + WINDOW] = counted({2, 9})
        row = rolled.hours(made, CITIES)["city_hours"]["all", "CA", "CA:a", START]
        assert (row["tweets"], row["active_users"], row["retweets"], row["name"]) == (4, 3, 2, "A")

    def test_of_lists_depends_on_the_moment(self) -> None:
        made = cells({1, 2}, {3})
        running = rolled.ranks(made, CITIES, START + WINDOW - 1)
        assert shown(running, "tweets", "hour") == [("CA:a", 2), ("CA:b", 1)]
        assert shown(running, "tweets", "window") == []
        later = rolled.ranks(made, CITIES, START + WINDOW)
        assert shown(later, "tweets", "window") == [("CA:a", 2), ("CA:b", 1)]
        assert shown(rolled.ranks(made, CITIES, START + HOUR), "tweets", "hour") == []


class TestADifference:
    def found(self, wanted: dict[str, Any]) -> dict[str, Any]:
        rows = {table: {key: dict(row) for key, row in some.items()} for table, some in wanted.items()}
        for table in ("city_hours", "country_hours"):
            for row in rows.get(table, {}).values():
                row["users_sketch"] = sketch(set(range(row["active_users"])))
        return rows

    def test_is_not_seen_where_there_is_none(self) -> None:
        wanted = rolled.hours(cells({1, 2}, {3}), CITIES)
        assert list(rolled_tables.differences(wanted, self.found(wanted))) == []

    def test_is_told_of_a_value_a_missing_row_and_one_too_many(self) -> None:
        wanted = rolled.hours(cells({1, 2}, {3}), CITIES)
        found = self.found(wanted)
        found["country_hours"]["all", "CA", START]["tweets"] = 4
        found["city_hours"]["all", "CA", "CA:c", START] = found["city_hours"].pop(
            ("all", "CA", "CA:b", START)
        )
        told = [(one.table, one.key[2], one.column) for one in rolled_tables.differences(wanted, found)]
        assert told == [
            ("city_hours", "CA:b", ""),
            ("city_hours", "CA:c", ""),
            ("country_hours", START, "tweets"),
        ]

    def test_of_estimated_users_is_one_beyond_5_percent(self) -> None:
        wanted = {"city_ranks": rolled.ranks(cells(set(range(10_000)), {3}), CITIES, START)}
        found = self.found(wanted)
        key = ("all", "CA", "active_users", "hour", 1)
        for users, differs in ((10_400, False), (9_600, False), (10_600, True), (9_400, True)):
            found["city_ranks"][key]["value"] = found["city_ranks"][key]["active_users"] = users
            assert bool(list(rolled_tables.differences(wanted, found))) == differs

    def test_of_two_estimated_cities_in_another_order_is_none(self) -> None:
        wanted = {"city_ranks": rolled.ranks(cells(set(range(10_000)), set(range(10_100))), CITIES, START)}
        found = self.found(wanted)
        one, two = (("all", "CA", "active_users", "hour", rank) for rank in (1, 2))
        ranks = found["city_ranks"]
        ranks[one], ranks[two] = ranks[two], ranks[one]
        assert list(rolled_tables.differences(wanted, found)) == []
