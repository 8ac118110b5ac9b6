"""`citypulse-spark`: job, verify, drop."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from citypulse.spark import logs
from citypulse.spark.config import load
from citypulse.spark.errors import BadInputError, StopError

_EPILOG = """\b
Examples:
  citypulse-spark job --config job.toml
  citypulse-spark verify --config job.toml --tweets truth.jsonl
  citypulse-spark verify --config job.toml --anchors tests/anchors
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
@click.option("--countries", default="", help="With --tweets: count only these, as `CA,GB` or `CA GB`.")
@click.option(
    "--place-country",
    default="ZZ",
    show_default=True,
    metavar="CC",
    help="With --tweets: the country of places that name none: the rule's, if it names a single one.",
)
def verify(
    file: Path | None,
    tweets: tuple[Path, ...],
    anchors: Path | None,
    write_anchors: Path | None,
    countries: str,
    place_country: str,
) -> None:
    """Compare the tables with a recount of the tweets, or with anchors.

    The file may be X API v2 JSON in any stored form, or replay's truth; feeds come from the tags of its
    matching rules where these are citypulse's. Distinct users are compared exactly up to 4,096, beyond within
    5 %. Prints what differs and how many cells were compared. Tables that hold posts or windows which the
    file does not have are those of another source (exit 2).
    """
    if sum(map(bool, (tweets, anchors, write_anchors))) != 1:
        raise BadInputError("verify takes one of --tweets FILE, --anchors DIR and --write-anchors DIR")
    config = load(file, os.environ)
    from citypulse.spark.verify import against as check

    if tweets:
        only = frozenset(countries.upper().replace(",", " ").split())
        check.against_tweets(config, tweets, only or None, place_country.upper())
    elif anchors:
        check.against_anchors(config, anchors)
    elif write_anchors:
        check.write_anchors(config, write_anchors)


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
