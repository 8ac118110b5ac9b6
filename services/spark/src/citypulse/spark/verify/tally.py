"""What must stand in the tables: plain counts, and sets for users. Nothing here is shared with the job's
counting.

A post counts once for a feed, as the version that came first: in the city of its place, in its country, and
in all countries. A retweet counts in `retweets` alone, at its own time and its original's place.

What is counted may be open: the job need not have counted it yet. Then a cell has two values, with and
without it, and the table may say anything between.
"""

from typing import NamedTuple

import msgspec

WINDOW_MS = 5 * 60 * 1000
ALL_COUNTRIES = "*"

CellKey = tuple[str, str, str, int]
"""Feed, country, city id (empty for a whole country), start of the window in ms."""
CityKey = tuple[str, str]
"""Country, city id."""


class Post(NamedTuple):
    """A post, or a retweet with the place of its original, as far as it matters to a count."""

    post: int
    at: int
    """Milliseconds since the epoch, UTC."""
    author: int | None
    kinds: frozenset[str]
    """Types of its references."""
    country: str
    city: str | None
    """Null where the place stands for no city."""

    @property
    def retweet(self) -> bool:
        """Whether it only repeats another post."""
        return "retweeted" in self.kinds

    @property
    def window(self) -> int:
        """Start of its window, in ms."""
        return self.at // WINDOW_MS * WINDOW_MS


class Cell(msgspec.Struct):
    """What was counted in one cell."""

    tweets: int = 0
    originals: int = 0
    replies: int = 0
    quotes: int = 0
    unresolved: int = 0
    users: set[int] = msgspec.field(default_factory=set)
    retweets: int = 0


class City(msgspec.Struct):
    """What is known of a city; times in ms since the epoch."""

    name: str | None
    lat: float | None
    lon: float | None
    first_seen: int | None = None
    last_seen: int | None = None
    settled_first: int | None = None
    """The same without what is open."""
    settled_last: int | None = None


class Recount(msgspec.Struct):
    """Everything that the tables must say."""

    cells: dict[CellKey, Cell] = msgspec.field(default_factory=dict)
    settled: dict[CellKey, Cell] = msgspec.field(default_factory=dict)
    """Of the cells with something open, what they are without it; empty cells need not be in the tables."""
    cities: dict[CityKey, City] = msgspec.field(default_factory=dict)
    counted: dict[str, set[int]] = msgspec.field(default_factory=dict)
    """Posts by feed, of whatever was counted."""
    messages: int = 0
    late: int = 0
    """Counted posts that came when event time was further than the watermark: a stream leaves them out."""
    first_at: int | None = None
    last_at: int | None = None
    """Creation of the first and last counted post, in ms."""

    def posts(self) -> set[int]:
        """Every post that was counted, in whatever feed."""
        return set[int]().union(*self.counted.values())

    def add(self, post: Post, feed: str, name: City | None = None, is_open: bool = False) -> bool:
        """Count a post for a feed, unless it is counted already.

        Args:
            name: how its city is called, where that is known and new.
            is_open: the tables may be without it.

        Returns:
            Whether it counts.
        """
        seen = self.counted.setdefault(feed, set())
        if post.post in seen:
            return False
        seen.add(post.post)
        keys = [(feed, post.country, "", post.window), (feed, ALL_COUNTRIES, "", post.window)]
        if post.city is not None:
            keys.append((feed, post.country, post.city, post.window))
            self._see(post, name, is_open)
        for key in keys:
            cell = self.cells.get(key)
            if cell is None:
                cell = self.cells[key] = Cell()
            settled = self.settled.get(key)
            if is_open and settled is None:
                self.settled[key] = msgspec.structs.replace(cell, users=set(cell.users))
            elif settled is not None and not is_open:
                _count(settled, post)
            _count(cell, post)
        self.first_at, self.last_at = _wider(self.first_at, self.last_at, post.at)
        return True

    def _see(self, post: Post, name: City | None, is_open: bool) -> None:
        assert post.city is not None  # noqa: S101 - for mypy
        city = self.cities.get((post.country, post.city))
        if city is None:
            city = msgspec.structs.replace(name) if name else City(None, None, None)
            self.cities[post.country, post.city] = city
        if post.retweet:
            return
        city.first_seen, city.last_seen = _wider(city.first_seen, city.last_seen, post.at)
        if not is_open:
            city.settled_first, city.settled_last = _wider(city.settled_first, city.settled_last, post.at)


def _wider(first: int | None, last: int | None, at: int) -> tuple[int, int]:
    return (at, at) if first is None or last is None else (min(first, at), max(last, at))


def _count(cell: Cell, post: Post) -> None:
    if post.retweet:
        cell.retweets += 1
        return
    cell.tweets += 1
    cell.originals += not post.kinds
    cell.replies += "replied_to" in post.kinds
    cell.quotes += "quoted" in post.kinds
    cell.unresolved += post.city is None
    if post.author is not None:
        cell.users.add(post.author)
