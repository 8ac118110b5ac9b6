"""Are the tables right? Against the topics, as far as the job has counted them."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from cassandra import InvalidRequest
from cassandra.cluster import Session
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from rich.console import Console

from citypulse.spark import kept, tables, topics
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.spans import Span
from citypulse.spark.verify import (
    aside,
    compare,
    job,
    made_of_windows,
    names,
    pending,
    report,
    stored,
    topic,
)
from citypulse.spark.verify.tally import WINDOW_MS

_WINDOWS = ("city_windows", "country_windows", "windows_by_country")
_LOOK_SECONDS = 1.0


class _Snapshot(NamedTuple):
    """The tables, between two looks at how far things are."""

    committed: dict[TopicPartition, int]
    """By the job, before the tables were read."""
    due: pending.Due
    found: dict[str, stored.Rows]
    end: dict[TopicPartition, int]
    """Of the topics, after they were read: nothing later can be in them."""


def against_topic(
    config: Config, span: Span | None, wait_seconds: float | None, metrics: Path | None = None
) -> None:
    """Recount the topics and compare every filled cell of every table.

    Args:
        span: only windows that start in it; None for all.
        wait_seconds: wait so long for the job to have counted everything, for the recount list to be
            empty, and for hours and lists to be made of all windows; what is open then is a fault. None: what
            is open is judged by what it may be.
        metrics: a file of Prometheus' text format to write the outcome to; None for none.

    Raises:
        StopError: something differs, or is open where nothing may be; or a server does not answer.
        BadInputError: the run has no topics or tables.
    """
    out = report.console()
    with _servers(config) as (session, consumer):
        some = kept.partitions(consumer, config.prefixed_topics)
        if absent := set(config.prefixed_topics) - {one.topic for one in some}:
            raise BadInputError(
                f"topics: there is no topic {', '.join(sorted(absent))}: was this run ever started?"
            )
        whole = kept.whole_after(consumer, some)
        span = _whole_windows(span, whole, out)
        deadline = time.monotonic() + (wait_seconds or 0.0)
        _wait(config, session, consumer, some, span, deadline)
        seen = _look(config, session, consumer, some, span)
        if not any(seen.found[table] for table in _WINDOWS):
            raise StopError(
                f"the tables of {config.keyspace} have no window to compare: has the job of this run counted"
                " anything yet, and is the span right?"
            )
        known = names.read(config)
        start = kept.offsets_at(consumer, some, span[0] - kept.AHEAD_MS) if span else None
        start = start or kept.beginnings(consumer, some)
        began = time.monotonic()
        with _progress(sum(seen.end[one] - start[one] for one in some)) as progress:
            counted = topic.count(
                consumer,
                start,
                seen.end,
                seen.committed,
                wanted=lambda window: span is None or span[0] <= window < span[1],
                pending=seen.due.holds,
                names=known,
                progress=progress,
            )
        seconds = time.monotonic() - began
        out.print(
            f"{counted.records} records read in {seconds:.1f} s"
            f" ({counted.records / max(seconds, 0.001):,.0f}/s), {len(counted.recount.posts())} posts,"
            f" {len(counted.aside)} records count nowhere"
        )
        wanted = compare.expected(counted.recount, all_history=span is None)
        if span is not None:
            _forget_other_cities(wanted, seen.found)
        result = compare.compare(wanted, seen.found)
        aside_found = aside.read(session, config, start, seen.end)
        differences = aside.compare(counted.aside, aside_found, seen.committed)
        result.rows[aside.TABLE] = len(aside_found)
        result.cells += len(counted.aside)
        result.differing += len(differences)
        result.differences += differences
        if not result.differing:
            before = seen.found["country_windows"]
            made = made_of_windows.Made(config, session, counted.recount, before, span)
            for words in made.compare(None if wait_seconds is None else deadline, result):
                out.print(words)
    report.show(out, result)
    if metrics is not None:
        report.write_metrics(metrics, config.run or "live", result)
    _tell_open(out, counted, seen.due)
    if result.differing:
        raise StopError(f"{result.differing} of {result.cells} cells differ from the recount of the topic")
    # A window that the job still counts waits until later events close it: in a run that has ended, for ever.
    newest = (counted.recount.last_at or 0) - round(config.watermark_minutes * 60_000)
    waiting = sum(start + WINDOW_MS <= newest for _, _, start in seen.due.windows)
    if wait_seconds is not None and (counted.not_committed or waiting or result.behind):
        raise StopError(
            f"after {wait_seconds:g} s the job had not counted {counted.not_committed} records,"
            f" {waiting} windows were still to be recounted, and {result.behind} hours and lists were behind"
            " their windows"
        )


@contextmanager
def _servers(config: Config) -> Iterator[tuple[Session, KafkaConsumer]]:
    with tables.session(config.cassandra) as session:
        consumer = None
        try:
            consumer = topics.consumer(config.kafka, "citypulse-spark-verify")
            yield session, consumer
        except (KafkaError, TimeoutError, OSError) as error:
            raise topics.unread(config.kafka, error) from error
        finally:
            if consumer is not None:
                consumer.close()


def _wait(
    config: Config,
    session: Session,
    consumer: KafkaConsumer,
    some: list[TopicPartition],
    span: Span | None,
    deadline: float,
) -> None:
    """Until what the topics hold now is counted, and nothing is to be recounted; gives up in silence."""
    end = kept.ends(consumer, some)
    while time.monotonic() < deadline:
        done = job.committed(config)
        counted = all(done.get(one, 0) >= end[one] for one in some)
        if counted and not pending.read(session, config, span).windows:
            return
        time.sleep(_LOOK_SECONDS)


def _whole_windows(span: Span | None, whole_after: int | None, out: Console) -> Span | None:
    """The span less the windows that retention may have cut."""
    if whole_after is None:
        return span
    first = (whole_after // WINDOW_MS + 1) * WINDOW_MS
    if span is not None and first <= span[0]:
        return span
    out.print(
        f"windows before {report.time(first)} are not compared: the topics may hold them only in part,"
        " because retention has deleted their head"
    )
    end = span[1] if span else stored.EVER[1]
    if first >= end:
        raise BadInputError(
            f"--to: the topics hold no whole window before it; the first whole one is {report.time(first)}"
        )
    return first, end


def _look(
    config: Config,
    session: Session,
    consumer: KafkaConsumer,
    some: list[TopicPartition],
    span: Span | None,
) -> _Snapshot:
    # In this order: what is committed before is in the tables, what comes after is not.
    committed = job.committed(config)
    due = pending.read(session, config, span)
    try:
        found = {
            name: stored.read(session, config.keyspace, name)
            if span is None or name == "cities"
            else stored.read_span(session, config.keyspace, name, span)
            for name in stored.KEYS
        }
    except InvalidRequest as error:
        raise BadInputError(
            f"run: {config.keyspace} lacks a table ({error.args[0]}): was the job of this run started?"
        ) from error
    return _Snapshot(committed, due, found, kept.ends(consumer, some))


def _forget_other_cities(wanted: compare.Wanted, found: dict[str, stored.Rows]) -> None:
    """A span's recount knows nothing of cities that were only seen outside it."""
    for key in found["cities"].keys() - wanted.rows["cities"].keys():
        del found["cities"][key]


def _tell_open(out: Console, counted: topic.Counted, due: pending.Due) -> None:
    if counted.not_committed:
        out.print(
            f"{counted.not_committed} records were not counted by the job yet: what they change is open"
        )
    if due.windows:
        out.print(f"{len(due.windows)} windows are on the recount list: what is in them is open")
        for line in due.lines()[: report.SHOWN]:
            out.print(f"  {line}")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    bar: Any
    with click.progressbar(length=total, label="Reading the topics", file=sys.stderr) as bar:
        yield bar.update
