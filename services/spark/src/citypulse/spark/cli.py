"""`citypulse-spark`: job, verify, reprocess, export, drop."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from citypulse.spark import logs
from citypulse.spark.config import load
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.times import span_of

_EPILOG = """\b
Examples:
  citypulse-spark job --config job.toml
  citypulse-spark verify --config job.toml --topic --last 1h
  citypulse-spark verify --config job.toml --explain "Montréal, Québec" 2026-01-31T12:05Z
  citypulse-spark verify --config job.toml --tweets truth.jsonl
  citypulse-spark verify --config job.toml --anchors tests/anchors
  citypulse-spark reprocess --config job.toml --last 1h --dry-run
  citypulse-spark reprocess --config job.toml --due
  citypulse-spark reprocess --config job.toml --from 2026-01-29 --to 2026-01-30 --journal events.jsonl
  citypulse-spark export --config job.toml --last 1d --country CA --output canada.csv
  citypulse-spark export --config job.toml --last 7d --countries --span hour --output hours.csv
  CITYPULSE_SPARK_RUN=demo citypulse-spark drop --config job.toml --yes

Exit codes: 0 well, 1 failed or found a difference, 2 bad input or tables of another source.
"""


class _Group(click.Group):
    """Turns every foreseen end into one sentence and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except StopError as error:
            click.echo(f"citypulse-spark: {error}", err=True)
            sys.exit(error.exit_code)


_config = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML; every key is an environment variable as well.",
)


def _span_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--to", "until", metavar="TIME", help="Windows that start before it; else all."),
        click.option("--from", "since", metavar="TIME", help="Windows from it on, as 2026-01-31T12:00Z."),
        click.option("--last", metavar="DURATION", help="Windows of the last 90m, 6h or 2d."),
    ):
        function = option(function)
    return function


@click.group(cls=_Group, epilog=_EPILOG)
@click.version_option(package_name="citypulse-spark")
def main() -> None:
    """Kafka's events become counts per city and window in Cassandra, and the counts are proved."""


@main.command(epilog=_EPILOG)
@_config
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def job(file: Path | None, log_level: str) -> None:
    """Count until SIGTERM.

    Makes keyspace and tables where they are missing, goes on where the checkpoint ends, and writes absolute
    counts. A SIGTERM lets the running batch finish within stop_seconds and exits with 0; when the query, its
    executors or Spark's process die, the job exits with 1 and is to be started again.
    """
    config = load(file, os.environ)
    logs.configure(log_level)
    from citypulse.spark.counting.job import run

    run(config)


@main.command(epilog=_EPILOG)
@_config
@click.option(
    "--tweets",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Recount this file and compare every cell; again for each file that was fed, in that order.",
)
@click.option(
    "--anchors", type=click.Path(path_type=Path), help="Compare with the CSV files in this directory."
)
@click.option("--write-anchors", type=click.Path(path_type=Path), help="Write such files from the tables.")
@click.option("--topic", is_flag=True, help="Recount the run's topics and compare every cell.")
@_span_options
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --topic: wait so long for the job to have counted everything; what is open then is a fault.",
)
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --topic: write the outcome for Prometheus, into a node exporter's directory of text files.",
)
@click.option(
    "--explain",
    nargs=2,
    metavar="CITY WINDOW",
    help="List the tweets behind a number: a city's id or name, a country or `*`, and a time in the window.",
)
@click.option("--countries", default="", help="With --tweets: count only these, as `CA,GB` or `CA GB`.")
@click.option(
    "--place-country",
    default="ZZ",
    show_default=True,
    metavar="CC",
    help="With --tweets: the country of places that name none: the rule's, if it names a single one.",
)
@click.option("--retweets", is_flag=True, help="With --tweets: the producer followed retweets.")
def verify(
    file: Path | None,
    tweets: tuple[Path, ...],
    anchors: Path | None,
    write_anchors: Path | None,
    topic: bool,
    last: str | None,
    since: str | None,
    until: str | None,
    wait: float | None,
    metrics: Path | None,
    explain: tuple[str, str] | None,
    countries: str,
    place_country: str,
    retweets: bool,
) -> None:
    """Compare the tables with a recount of the topics or of the tweets, or with anchors.

    --topic recounts what the topics hold. Windows of which retention has deleted the head are not compared.
    What the job has not counted yet, and windows that wait to be recounted, are open: they are judged by the
    least and the most that they may be, and told apart. Hours and lists follow their windows by some seconds:
    those that are behind are not compared, which is told, and with --wait a fault.

    The file may be X API v2 JSON in any stored form, or replay's truth; feeds come from the tags of its
    matching rules where these are citypulse's. Distinct users are compared exactly up to 4,096, beyond within
    5 %. Prints what differs and how many cells were compared. Tables that hold posts or windows which the
    file does not have are those of another source (exit 2).
    """
    if sum(map(bool, (topic, explain, tweets, anchors, write_anchors))) != 1:
        raise BadInputError(
            "verify takes one of --topic, --explain CITY WINDOW, --tweets FILE, --anchors DIR and"
            " --write-anchors DIR"
        )
    if not topic and (last or since or until or metrics or wait is not None):
        raise BadInputError(
            "--last, --from, --to, --wait and --metrics belong to --topic: add it, or leave them out"
        )
    config = load(file, os.environ)
    if topic:
        from citypulse.spark.verify.against_topic import against_topic

        return against_topic(config, span_of(last, since, until, required=False), wait, metrics)
    if explain:
        from citypulse.spark.verify.explain import explain as tell

        return tell(config, *explain)
    from citypulse.spark.verify import against as check

    if tweets:
        only = frozenset(countries.upper().replace(",", " ").split())
        check.against_tweets(config, tweets, only or None, place_country.upper(), retweets=retweets)
    elif anchors:
        check.against_anchors(config, anchors)
    elif write_anchors:
        check.write_anchors(config, write_anchors)
    return None


@main.command(epilog=_EPILOG)
@_config
@_span_options
@click.option("--due", is_flag=True, help="Recount what is on the recount list, instead of a span.")
@click.option("--country", metavar="CC", help="Only this country, and the sums over all of them.")
@click.option("--feed", help="Only this feed.")
@click.option(
    "--journal",
    "journals",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="Also from this file of `citypulse-producer journal export --events`; again for each producer.",
)
@click.option("--live", is_flag=True, help="Also windows that the job still counts; it must be stopped.")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def reprocess(
    file: Path | None,
    last: str | None,
    since: str | None,
    until: str | None,
    due: bool,
    country: str | None,
    feed: str | None,
    journals: tuple[Path, ...],
    live: bool,
    dry_run: bool,
) -> None:
    """Count windows once more, from Kafka, and write what differs.

    Runs beside the job, in a process of its own. Windows that the job still counts are left to it. So are
    those of which retention has deleted the head, unless --journal gives it. Rows that should not be there
    are removed. Says what changed, and writes it down in the table `recounts`. Without --to it ends now.
    """
    config = load(file, os.environ)
    from citypulse.spark.reprocess import command, run, source

    if due:
        if any((last, since, until, country, feed, journals, live, dry_run)):
            raise BadInputError("--due takes what is on the list: leave it, or the other options, out")
        return command.reprocess(config, None)
    span = span_of(last, since, until, required=True)
    assert span is not None  # noqa: S101 - for mypy
    request = run.Request(
        span,
        country=country.upper() if country else None,
        feed=feed,
        journals=tuple(source.look(path) for path in journals),
        live=live,
        dry_run=dry_run,
    )
    return command.reprocess(config, request)


@main.command(epilog=_EPILOG)
@_config
@_span_options
@click.option("--feed", help="Only this feed.")
@click.option("--country", metavar="CC", help="Only this country; `*` for the sums over all of them.")
@click.option("--city", metavar="ID", help="Only this city, as CA:36775d842cbec509.")
@click.option("--countries", is_flag=True, help="Rows of whole countries, with gap_seconds, not of cities.")
@click.option("--span", type=click.Choice(["window", "hour"]), default="window", help="What a row counts.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; CSV else goes to stdout."
)
def export(
    file: Path | None,
    last: str | None,
    since: str | None,
    until: str | None,
    feed: str | None,
    country: str | None,
    city: str | None,
    countries: bool,
    span: str,
    form: str,
    output: Path | None,
) -> None:
    """Write windows or hours into a file.

    Columns are named as the tables', times are ISO 8601 in UTC, and what is not known is empty. Rows of
    cities and of countries never stand in one file, for a country counts what its cities count. active_users
    cannot be added up: the same person may be in several rows.
    """
    if countries and city:
        raise BadInputError("--countries and --city exclude each other: leave one out")
    if country == "*" and not countries:
        raise BadInputError("--country * has no cities: add --countries, or name a country")
    if form == "parquet" and output is None:
        raise BadInputError("--format parquet needs a file: add --output FILE")
    config = load(file, os.environ)
    time = span_of(last, since, until, required=True)
    assert time is not None  # noqa: S101 - for mypy
    from citypulse.spark.export import command
    from citypulse.spark.export.select import Selection

    country = country.upper() if country else None
    command.export(config, Selection(time, span, countries, feed, country, city), form, output)


@main.command(epilog=_EPILOG)
@_config
@click.option("--yes", is_flag=True, help="Do it, without asking.")
def drop(file: Path | None, yes: bool) -> None:
    """Remove keyspace and checkpoint of a named run; refuses the live one."""
    config = load(file, os.environ)
    if not yes and config.run:
        click.confirm(
            f"Remove keyspace {config.keyspace} and checkpoint {config.checkpoint_dir}?", abort=True
        )
    from citypulse.spark.drop import drop as remove

    remove(config)
