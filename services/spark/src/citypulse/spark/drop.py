"""A named run is removed: its keyspace and its checkpoint. Its topics belong to Kafka's role."""

import shutil
from pathlib import Path
from urllib.parse import urlparse

import click

from citypulse.spark import tables
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError


def drop(config: Config) -> None:
    """Remove keyspace and checkpoint of the configured run; what is gone already is well.

    Raises:
        BadInputError: the run is the live one, or the checkpoint is not a local directory.
        StopError: Cassandra does not answer.
    """
    if not config.run:
        raise BadInputError(
            "run is empty, which is the live run: drop removes only a named run, as CITYPULSE_SPARK_RUN=demo"
        )
    where = urlparse(config.checkpoint_dir)
    if where.scheme not in ("", "file"):
        raise BadInputError(
            f"checkpoint_dir = {config.checkpoint_dir} is not a local directory: remove it with its own tool"
        )
    with tables.session(config.cassandra) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {config.keyspace}", timeout=60)
    click.echo(f"keyspace {config.keyspace} removed")
    # Only what the query made: the directory may be somebody's by mistake.
    for plan in sorted(Path(where.path).glob("plan-*")):
        shutil.rmtree(plan)
        click.echo(f"checkpoint {plan} removed")
