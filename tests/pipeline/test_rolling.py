"""Hours and ranks in a real Cassandra, against a recount with sets."""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from citypulse.control.metrics import scrape, value
from citypulse.control.runs import fed_truths
from citypulse.events import messages
from citypulse.spark import rolling, tables
from citypulse.spark.config import Cassandra, Config, load
from citypulse.spark.metrics import Metrics
from citypulse.spark.rolling.ticker import Ticker
from citypulse.spark.rolling.windows import milliseconds
from citypulse.spark.verify import rolled, rolled_tables
from citypulse.spark.verify.recount import recount
from tests.system import System
from tests.unit.spark.rolling_windows import DAY, HOUR, WINDOW, City, Windows, differing

NOW = 1_790_000_100_000 // DAY * DAY + 10 * HOUR + 2 * 60_000
FEEDS = ("all", "выборы d'été")
NAMES = ("Val-d'Or", "St. John's", "東京", None, "Zürich", "Äänekoski", "Toronto")


class Running:
    """A ticker over tables of its own."""

    def __init__(self, system: System) -> None:
        cassandra = Cassandra(port=system.installation.port(9042), windows_ttl_days=1000)
        self.config = Config(run="rolling", checkpoint_dir="none", cassandra=cassandra)
        self.session = tables.wait(cassandra)
        self.session.execute(f"DROP KEYSPACE IF EXISTS {self.config.keyspace}")
        tables.create(self.session, self.config)
        self.windows = Windows(self.session, self.config.keyspace)
        self.restart()

    def restart(self) -> None:
        self.ticker = Ticker(self.session, self.config, Metrics())

    def tick(self, now: int) -> None:
        self.ticker.tick(int(time.time() * 1000) + 1, now)

    def write(self) -> None:
        self.windows.write(int(time.time() * 1000))

    def ends(self, metric: str, order: str) -> list[Any]:
        """The first rows of one partition, as a panel reads them."""
        return list(
            self.session.execute(
                f"SELECT rank, position, city_id, value FROM {self.config.keyspace}.city_ranks"
                " WHERE feed = 'all' AND country = '*' AND metric = %s AND span = 'hour'"
                f" ORDER BY rank {order} LIMIT 5",
                (metric,),
            )
        )


@pytest.fixture
def running(system: System) -> Iterator[Running]:
    made = Running(system)
    yield made
    made.session.execute(f"DROP KEYSPACE {made.config.keyspace}")
    made.session.cluster.shutdown()


def test_they_equal_a_recount_whatever_is_written_and_however_time_goes_on(running: Running) -> None:
    made = random.Random(7)
    for country in ("CA", "GB", "JP"):
        for number in range(12):
            name = made.choice(NAMES)
            place = (1.5, -2.5) if name else (None, None)
            running.windows.cities[country, f"{country}:{number}"] = City(name, *place)

    def tweet(ago: int) -> None:
        country = made.choice(("CA", "GB", "JP"))
        running.windows.tweet(
            country,
            f"{country}:{min(11, int(made.expovariate(0.3)))}" if made.random() < 0.9 else "",
            NOW - ago,
            author=made.randrange(40),
            kind=made.choice(("originals", "replies", "quotes", "retweets")),
            feed=made.choice(FEEDS),
        )

    for _ in range(1_500):
        tweet(made.randrange(3 * DAY))
    for _ in range(500):
        tweet(made.randrange(HOUR))
    running.write()
    running.tick(NOW)
    assert differing(running.windows, NOW) == []
    for _ in range(100):
        tweet(made.choice((0, 0, 7, 25, 60)) * HOUR)
    running.write()
    running.tick(NOW + 60_000)
    assert differing(running.windows, NOW + 60_000) == []
    # Every list gets shorter, with the same ticker and with one that does not know what stands there.
    for minutes in (30, 60, 90, 20 * 60):
        running.tick(NOW + minutes * 60_000)
        assert differing(running.windows, NOW + minutes * 60_000) == []
        running.restart()
    running.tick(NOW + DAY)
    assert differing(running.windows, NOW + DAY) == []
    assert running.ends("tweets", "ASC") == []


def test_the_first_and_the_last_of_many_cities_are_one_read_each(running: Running) -> None:
    """Some 300 kB in one mutation of one partition."""
    cities = 2_100
    for number in range(cities):
        for _ in range(1 + (number < 3)):
            running.windows.tweet("CA", f"CA:{number:04}", NOW, author=number)
    running.write()
    running.tick(NOW)
    assert [(row.rank, row.city_id, row.value) for row in running.ends("tweets", "ASC")] == [
        (rank, f"CA:{rank - 1:04}", 2 if rank <= 3 else 1) for rank in range(1, 6)
    ]
    assert [(row.rank, row.position, row.city_id) for row in running.ends("tweets", "DESC")] == [
        (2_000 - back, cities - back, f"CA:{cities - back - 1:04}") for back in range(5)
    ]
    assert differing(running.windows, NOW) == []


def test_a_recount_is_seen_though_its_countries_rows_are_as_old(running: Running) -> None:
    """It moves a tweet from one city to another, and a ticker has looked when it was half written."""
    at = NOW - 5 * HOUR
    running.windows.tweet("CA", "CA:a", at, author=1)
    running.windows.tweet("CA", "CA:b", NOW, author=1)
    running.write()
    running.tick(NOW)
    table = f"{running.config.keyspace}.country_windows"
    marks = f"SELECT feed, country, WRITETIME(updated_at) AS written, updated_at FROM {table}"
    before = list(running.session.execute(marks))

    key = ("all", "CA", "CA:a", at // WINDOW * WINDOW)
    moved = running.windows.cells[key]
    running.windows.remove(key)
    running.windows.cells["all", "CA", "CA:c", key[3]] = moved
    running.windows.cities["CA", "CA:c"] = City("C")
    running.windows.unwritten.add(("all", "CA", "CA:c", key[3]))
    running.write()
    running.tick(NOW)
    assert differing(running.windows, NOW)

    for country in ("CA", "*"):
        assert rolling.rebuild(running.session, running.config, "all", country, [at]) == 1
    running.tick(NOW)
    assert differing(running.windows, NOW) == []
    after = list(running.session.execute(marks))
    assert [row.written for row in after] == [row.written for row in before]
    assert sum(one.updated_at != two.updated_at for one, two in zip(before, after, strict=True)) == 2
    # Whoever removes the rows as they were before removes the mark with them.
    for row in after:
        running.session.execute(
            f"DELETE FROM {table} USING TIMESTAMP {max(one.written for one in before)}"
            " WHERE feed = %s AND country = %s",
            (row.feed, row.country),
        )
    assert list(running.session.execute(marks)) == []


def test_a_recount_that_died_before_its_hours_is_made_good_at_the_next_start(running: Running) -> None:
    at = NOW - 60 * HOUR
    for city in ("CA:a", "CA:b"):
        running.windows.tweet("CA", city, at, author=1)
    running.windows.tweet("CA", "CA:a", NOW, author=1)
    running.write()
    running.tick(NOW)
    hour = at // HOUR * HOUR
    rolling.unsettle(running.session, running.config, [("all", "CA"), ("all", "*")], hour)
    running.windows.remove(("all", "CA", "CA:b", at // WINDOW * WINDOW))

    def left() -> dict[int, set[tuple[str, str]]]:
        return rolling.unsettled(running.session, running.config, (hour, hour + HOUR), lambda _: True)

    assert left() == {hour: {("all", "CA"), ("all", "*")}}
    running.restart()
    running.tick(NOW)
    assert differing(running.windows, NOW) == []
    assert left() == {}


@pytest.mark.takes_turns(1.5)
def test_they_equal_a_recount_of_what_a_demo_was_fed(system: System) -> None:
    """The whole way, from replay's truth on the one side to hours and ranks on the other."""
    system.control("demo", RATE="100", DURATION="20s")
    ended = time.time()
    inst = system.installation
    metrics = inst.run_address("demo", 9302)
    system.wait_for(
        "a look of the ticker after the demo",
        lambda: value(scrape(metrics), "citypulse_spark_rolled_timestamp_seconds") > ended,
    )
    config = load(inst.home / "etc" / "spark-job-demo" / "config.toml", {})
    wanted = recount(message for truth in fed_truths(inst, "demo") for message in messages.read(truth))
    session = tables.wait(config.cassandra)
    # The lists tell of which moment they are; they are of another one if the ticker looked meanwhile.
    moments = [_running(session, config)]
    while True:
        found = {table: rolled_tables.read(session, config.keyspace, table) for table in rolled_tables.KEYS}
        moments.append(_running(session, config))
        if moments[-1] == moments[-2]:
            break
    session.cluster.shutdown()
    expected = rolled.hours(wanted.cells, wanted.cities)
    expected["city_ranks"] = rolled.ranks(wanted.cells, wanted.cities, moments[-1])
    assert list(rolled_tables.differences(expected, found)) == []
    assert sum(map(len, found.values())) > 300


def _running(session: Any, config: Config) -> int:
    """The last moment that the lists of an hour may speak of, in ms."""
    ends = session.execute(
        f"SELECT span_end FROM {config.keyspace}.city_ranks"
        " WHERE feed = 'all' AND country = '*' AND metric = 'tweets' AND span = 'hour' LIMIT 1"
    )
    return milliseconds(ends.one().span_end) - 1
