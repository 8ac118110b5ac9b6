"""`citypulse-spark reprocess`: Spark in a process of its own, and what is told to a person."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from citypulse.spark import session as sessions
from citypulse.spark import tables
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.reprocess import coverage, due, run, watch
from citypulse.spark.verify import report

CORES = 2
"""Of this process. The cluster's belong to the job, which may have taken all of them."""


def reprocess(config: Config, request: run.Request | None) -> None:
    """Recount a request, or with None what is on the recount list; and say what changed.

    Raises:
        StopError: a server does not answer, retention left nothing to recount, or rows are newer.
        BadInputError: live windows are wanted while the job runs.
    """
    out = report.console()
    if request is not None and request.live and _job_runs(config):
        raise BadInputError("--live: the job of this run counts these windows: stop it first")
    with tables.session(config.cassandra) as session:
        tables.create(session, config)
        listed = due.read(session, config)
        if request is None and not listed:
            out.print("the recount list is empty")
            return
        with _spark(config) as spark, _progress() as progress:
            if request is None:
                outcome = due.work(config, spark, session, progress)
            else:
                outcome = run.run(config, spark, session, request, progress)
                due.clear(session, config, listed, request, outcome)
        left = len(due.read(session, config))
    assert outcome is not None  # noqa: S101 - the list was not empty
    _tell(out, outcome, dry_run=request is not None and request.dry_run)
    out.print(f"{left} windows are on the recount list" if left else "the recount list is empty")
    if outcome.newer:
        raise StopError(
            f"{outcome.newer} cells differ, but their rows were written after this recount began: start it"
            " again; if that does not help, the clocks of the hosts differ"
        )
    if outcome.done is None and coverage.CUT in outcome.left and request is not None:
        raise StopError("no window of the span could be recounted: give the journals that have its events")


def _job_runs(config: Config) -> bool:
    try:
        with socket.create_connection((config.http.address, config.http.port), timeout=5):
            return True
    except OSError:
        return False


@contextmanager
def _spark(config: Config) -> Iterator[SparkSession]:
    spark = msgspec.structs.replace(
        config.spark,
        master=f"local[{CORES}]",
        app_name=f"{config.spark.app_name or 'citypulse'}-reprocess",
        driver_port=0,
        driver_block_manager_port=0,
        block_manager_port=0,
        ui_port=0,
        driver_memory=config.spark.executor_memory,
        # Of the driver's or an executor's own options some hold a port, and both may run on this host.
        driver_jvm_options=(),
    )
    click.echo("starting Spark", err=True)
    try:
        session = sessions.start(msgspec.structs.replace(config, spark=spark))
        try:
            yield session
        finally:
            session.stop()
    except PySparkException as error:
        reason = str(error).strip().partition("\n")[0][:500]
        raise StopError(f"the recount failed, and may simply be started again: {reason}") from error


@contextmanager
def _progress() -> Iterator[watch.Progress]:
    """A line that is written over on a terminal; elsewhere a line for each tenth."""
    said: dict[str, int] = {}
    terminal = sys.stderr.isatty()

    def tell(what: str, done: int, total: int) -> None:
        tenth = done * 10 // total if total else 0
        if terminal or said.get(what) != tenth:
            said[what] = tenth
            click.echo(f"\r{what}: {done} of {total} ", err=True, nl=not terminal)

    yield tell
    if terminal:
        click.echo(err=True)


def _tell(out: Console, outcome: run.Outcome, *, dry_run: bool) -> None:
    for reason, (first, end) in outcome.left.items():
        out.print(f"windows from {report.time(first)} to {report.time(end)} were left: {reason}")
    if outcome.done is None:
        return
    first, end = outcome.done
    out.print(f"windows from {report.time(first)} to {report.time(end)}: {outcome.records} records read")
    changed = {key: told for key, told in sorted(outcome.told.items()) if told.any}
    if changed:
        shown = Table(
            *("feed", "country", "cells", "changed", "added", "removed", "tweets", "retweets"),
            title="Would change" if dry_run else "Changed",
            title_justify="left",
        )
        for (feed, country), told in changed.items():
            numbers: tuple[Any, ...] = (told.cells, told.changed, told.added, told.removed)
            shown.add_row(feed, country, *map(str, numbers), f"{told.tweets:+d}", f"{told.retweets:+d}")
        out.print(shown)
    cells = sum(told.cells for told in outcome.told.values())
    touched = sum(told.changed + told.added + told.removed for told in outcome.told.values())
    verb = "would be" if dry_run else "were"
    out.print(f"{cells} cells recounted, {touched} {verb} changed")
