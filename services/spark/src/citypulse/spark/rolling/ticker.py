"""The ticker: a thread of the driver that brings hours and ranks up to date, whether something arrives or
not.

It knows nothing of batches but when none is being written. Whatever changes windows (the job, a recount,
another process) is seen in the windows themselves.
"""

import threading
import time
from typing import Any, NamedTuple

import structlog
from cassandra import DriverException, InvalidRequest
from cassandra.cluster import NoHostAvailable, Session

from citypulse.spark import tables
from citypulse.spark.config import Config
from citypulse.spark.metrics import Metrics
from citypulse.spark.rolling import ranks, spans
from citypulse.spark.rolling.cells import Cell
from citypulse.spark.rolling.hours import Hours
from citypulse.spark.rolling.kept import Kept
from citypulse.spark.rolling.lists import Key, Lists
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.ranks import CityKey
from citypulse.spark.rolling.windows import ALL_COUNTRIES, Pair, Reader, Version

_log = structlog.get_logger()

_SHARE = 4
"""A pause is at least so many times as long as this thread worked for the look before it, and as long as the
look was: so the thread never takes more than a fifth of a core (the driver's own thread, which sends and
receives for it, comes on top), and half of the time Cassandra is not asked."""

Cells = dict[CityKey, Cell]
Found = dict[Pair, dict[int, Version]]


class Totals(NamedTuple):
    """The cities of one feed and country, or of all countries, in a span."""

    ending: Cells
    complete: Cells
    before: dict[CityKey, int]
    """Tweets in the same complete windows a day before."""


def start(config: Config, batches: Any, metrics: Metrics, told: threading.Event) -> threading.Thread:
    """Start the thread; it is dead when something is wrong that time does not mend.

    Args:
        config: of the job.
        batches: a lock that is held while a batch is written.
        metrics: where it says what it did.
        told: set when the job is to stop.
    """
    thread = threading.Thread(target=_run, args=(config, batches, metrics, told), name="rolling", daemon=True)
    thread.start()
    return thread


def _run(config: Config, batches: Any, metrics: Metrics, told: threading.Event) -> None:
    session: Session | None = None
    ticker: Ticker | None = None
    pause = 0.0
    try:
        while not told.wait(pause):
            with batches:
                quiet = _clock()
            began, worked = time.monotonic(), time.thread_time()
            try:
                session = session or tables.wait(config.cassandra, told.is_set)
                ticker = ticker or Ticker(session, config, metrics)
                ticker.tick(quiet, _clock())
            except InvalidRequest:
                raise
            except (DriverException, NoHostAvailable, OSError) as error:
                _log.warning("hours and ranks are behind: Cassandra did not answer", reason=str(error)[:300])
            took = time.monotonic() - began
            metrics.rolling_seconds.observe(took)
            pause = max(config.tick_seconds, took, (time.thread_time() - worked) * _SHARE)
    except BaseException:
        if not told.is_set():
            _log.exception("hours and ranks are no longer kept")
            raise
    finally:
        if session is not None:
            session.cluster.shutdown()


class Ticker:
    """One look at a time: what changed is read, hours are written, and lists where they differ."""

    def __init__(self, session: Session, config: Config, metrics: Metrics) -> None:
        concurrency = config.cassandra.concurrency
        self._live, self._metrics = not config.run, metrics
        self._windows_ttl = round(config.cassandra.windows_ttl_days * spans.DAY_MS)
        self._names = Names(session, config.keyspace, concurrency)
        self._reader = Reader(session, config.keyspace, concurrency, self._names)
        self._hours = Hours(session, config, self._names)
        self._lists = Lists(session, config)
        self._kept: dict[Pair, Kept] = {}
        self._totals: dict[Pair, dict[str, Totals]] = {}
        self._due: set[Pair] = set()
        """What changed since its lists were written."""
        self._rolls: Any = None
        """The running window, and where each feed begins, when the lists were written."""

    def tick(self, quiet: int, clock: int) -> None:
        """Bring everything up to date.

        Args:
            quiet: a moment in ms at which no batch was being written.
            clock: the wall clock in ms.

        Raises:
            cassandra.DriverException: Cassandra does not answer; the next look does what this one left.
        """
        # One whose last row was removed is looked at too, for what it leaves.
        pairs = self._kept.keys() | set(self._reader.pairs())
        if not self._kept:
            # A recount may have died after it removed a country's last window, and left its hours unsettled.
            pairs |= self._hours.pairs()
        found: Found = {pair: self._reader.versions(pair, quiet) for pair in sorted(pairs)}
        moment = spans.now(_newest(found), clock, self._live)
        self._refresh(found, spans.need(moment), clock)
        rolls = (spans.window_of(moment), {pair.feed: _first(found, pair.feed) for pair in found})
        if self._rolls != rolls:
            self._due.update(found)
        cities = {pair for pair in self._due if pair.country != ALL_COUNTRIES}
        for pair in cities:
            self._totals[pair] = {span: _totals(self._kept[pair], span, moment) for span in spans.SPANS}
        self._learn(cities)
        self._write(found, moment, clock)
        self._due.clear()
        self._rolls = rolls
        self._metrics.rolling_cells.set(sum(kept.cells for kept in self._kept.values()))
        self._metrics.rolled.set(quiet / 1000)

    def _refresh(self, found: Found, need: spans.Need, clock: int) -> None:
        for pair, versions in found.items():
            if pair not in self._kept:
                self._kept[pair] = Kept(pair, self._reader, self._hours, self._windows_ttl)
                self._due.add(pair)
            hours = self._kept[pair].refresh(versions, need, clock)
            self._metrics.rolled_hours.inc(hours)
            if hours:
                self._due.add(pair)

    def _learn(self, changed: set[Pair]) -> None:
        """Look up names; where one came late, what was written without it is written again."""
        cities = {
            city
            for pair in changed
            for totals in self._totals[pair].values()
            for city in totals.ending.keys() | totals.complete.keys() | totals.before.keys()
        }
        self._names.learn(cities | self._names.missed)
        late = self._names.late
        for pair, kept in self._kept.items():
            mine = {city for country, city in late if country == pair.country}
            for hour, known in kept.hours.items() if mine else ():
                self._hours.rename(pair, hour, {city: known[city] for city in mine & known.keys()})
                self._due.add(pair)
        late.clear()

    def _write(self, found: Found, moment: int, clock: int) -> None:
        rows = 0
        for pair in found:
            if pair.country == ALL_COUNTRIES:
                if not any(due.feed == pair.feed for due in self._due):
                    continue
                parts = [totals for one, totals in self._totals.items() if one.feed == pair.feed]
                totals = {span: _together([part[span] for part in parts]) for span in spans.SPANS}
            elif pair in self._due:
                totals = self._totals[pair]
            else:
                continue
            first = _first(found, pair.feed)
            for span, one in totals.items():
                rows += self._write_span(pair, span, one, first, moment, clock)
        for key in self._lists.keys:
            if Pair(key.feed, key.country) not in found:
                self._lists.put(key, spans.Range(0, 0), (), clock)
        self._lists.flush()
        self._metrics.rank_rows.inc(rows)

    def _write_span(
        self, pair: Pair, span: str, totals: Totals, first: int | None, moment: int, clock: int
    ) -> int:
        rows = 0
        for metric in ranks.METRICS:
            windows, cells = spans.ending(span, moment), totals.ending
            if metric != "change":
                values = ranks.by_metric(metric, cells)
            else:
                windows, cells = spans.complete(span, moment), totals.complete
                # Against a day that was not counted, or not from its beginning, everything would have risen.
                counted = first is not None and first <= spans.day_before(windows).first
                values = ranks.by_change(cells, totals.before) if counted else {}
            ranked = ranks.rank(values, cells, self._names.known)
            rows += self._lists.put(Key(*pair, metric, span), windows, ranked, clock)
        return rows


def _totals(kept: Kept, span: str, moment: int) -> Totals:
    ending, complete = spans.ending(span, moment), spans.complete(span, moment)

    def cells(windows: spans.Range) -> Cells:
        return {(kept.pair.country, city): cell for city, cell in kept.total(windows).items()}

    before = {city: cell.tweets for city, cell in cells(spans.day_before(complete)).items()}
    whole = cells(complete)
    return Totals(whole if ending == complete else cells(ending), whole, before)


def _together(parts: list[Totals]) -> Totals:
    result = Totals({}, {}, {})
    for part in parts:
        result.ending.update(part.ending)
        result.complete.update(part.complete)
        result.before.update(part.before)
    return result


def _newest(found: Found) -> int | None:
    starts = (start for versions in found.values() for start, one in versions.items() if one.counted)
    return max(starts, default=None)


def _first(found: Found, feed: str) -> int | None:
    """Start of the first window of a feed that is kept, in ms."""
    versions = found.get(Pair(feed, ALL_COUNTRIES), {})
    return min((start for start, one in versions.items() if one.counted), default=None)


def _clock() -> int:
    return time.time_ns() // 1_000_000
