"""`citypulse-spark`: job, verify, drop."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from citypulse.spark import logs
from citypulse.spark.config import load
from citypulse.spark.errors import StopError

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
    from citypulse.spark.job import run

    run(config)
