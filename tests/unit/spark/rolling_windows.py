"""Windows as the job writes them, for the tests of what is made of them."""

from __future__ import annotations

from typing import Any

import msgspec
from datasketches import update_theta_sketch

from citypulse.spark.verify import rolled, rolled_tables

WINDOW = 300_000
HOUR = 3_600_000
DAY = 86_400_000


class Counted(msgspec.Struct):
    """A cell with its users as a set."""

    tweets: int = 0
    originals: int = 0
    replies: int = 0
    quotes: int = 0
    retweets: int = 0
    unresolved: int = 0
    users: set[int] = msgspec.field(default_factory=set)


class City(msgspec.Struct):
    """A city's name and place."""

    name: str | None
    lat: float | None = None
    lon: float | None = None


class Windows:
    """Counts, and the tables they are written to."""

    def __init__(self, session: Any, keyspace: str) -> None:
        self.session, self.keyspace = session, keyspace
        self.cells: dict[rolled.CellKey, Counted] = {}
        self.cities: dict[rolled.CityKey, City] = {}
        self.unwritten: set[rolled.CellKey] = set()
        self._prepared: dict[str, Any] = {}

    def tweet(
        self, country: str, city: str, at: int, author: int, kind: str = "originals", feed: str = "all"
    ) -> None:
        """Count a tweet or, with the kind `retweets`, a retweet; an empty city is one that is not known."""
        start = at // WINDOW * WINDOW
        for place in {(country, city), (country, ""), ("*", "")}:
            key = (feed, *place, start)
            cell = self.cells.setdefault(key, Counted())
            self.unwritten.add(key)
            setattr(cell, kind, getattr(cell, kind) + 1)
            if kind != "retweets":
                cell.tweets += 1
                cell.unresolved += not city
                cell.users.add(author)
        if city:
            self.cities.setdefault((country, city), City(f"Name of {city}", 1.0, 2.0))

    def remove(self, key: rolled.CellKey) -> None:
        """Take a cell away, as a recount does that finds nothing in it."""
        feed, country, city, start = key
        del self.cells[key]
        self.unwritten.discard(key)
        if city:
            self._run(
                "DELETE FROM {}.city_windows"
                " WHERE feed = ? AND country = ? AND city_id = ? AND window_start = ?",
                key,
            )
            self._run(
                "DELETE FROM {}.windows_by_country"
                " WHERE feed = ? AND country = ? AND window_start = ? AND city_id = ?",
                (feed, country, start, city),
            )
        else:
            self._run(
                "DELETE FROM {}.country_windows WHERE feed = ? AND country = ? AND window_start = ?",
                (feed, country, start),
            )

    def write(self, stamp: int, *, cities: bool = True) -> None:
        """Write what changed, with `stamp` (ms) as `updated_at`; without `cities` countries only."""
        for key in sorted(self.unwritten):
            feed, country, city, start = key
            if city and not cities:
                continue
            self.unwritten.discard(key)
            cell = self.cells[key]
            row = {
                "tweets": cell.tweets,
                "originals": cell.originals,
                "replies": cell.replies,
                "quotes": cell.quotes,
                "retweets": cell.retweets,
                "active_users": len(cell.users),
                "feed": feed,
                "country": country,
                "window_start": start,
                "updated_at": stamp,
            }
            if not city:
                self._insert(
                    "country_windows",
                    row | {"unresolved": cell.unresolved, "users_sketch": sketch(cell.users)},
                )
                continue
            known = self.cities[country, city]
            row |= {"city_id": city, "name": known.name, "lat": known.lat, "lon": known.lon}
            self._insert("windows_by_country", row)
            self._insert("city_windows", row | {"users_sketch": sketch(cell.users)})
            if not cell.tweets:
                # A city of which only retweets are known was not seen.
                continue
            self._insert(
                "cities",
                {"country": country, "city_id": city, "name": known.name, "lat": known.lat, "lon": known.lon},
            )

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        marks = ",".join("?" * len(row))
        text = f"INSERT INTO {{}}.{table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - of this file
        self._run(text, tuple(row.values()))

    def _run(self, text: str, values: tuple[Any, ...]) -> None:
        if text not in self._prepared:
            self._prepared[text] = self.session.prepare(text.format(self.keyspace))
        self.session.execute(self._prepared[text], values)


def sketch(users: set[int]) -> bytes:
    """As Spark would serialise it."""
    made = update_theta_sketch(12)
    for user in users:
        made.update(user)
    return bytes(made.compact().serialize(compress=True))


def differing(windows: Windows, now: int) -> list[Any]:
    """Where hours and ranks are not what the windows amount to at a moment."""
    wanted = rolled.hours(windows.cells, windows.cities)
    wanted["city_ranks"] = rolled.ranks(windows.cells, windows.cities, now)
    found = {table: rolled_tables.read(windows.session, windows.keyspace, table) for table in wanted}
    return list(rolled_tables.differences(wanted, found))
