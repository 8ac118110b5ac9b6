"""`citypulse-spark export`."""

import sys
from pathlib import Path

import click
from cassandra import InvalidRequest

from citypulse.spark import tables
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError
from citypulse.spark.export import files
from citypulse.spark.export.select import Selection, rows


def export(config: Config, selection: Selection, form: str, output: Path | None) -> None:
    """Write the selected rows.

    Args:
        config: of the run.
        selection: which rows.
        form: csv or parquet.
        output: a file; None for standard output, which takes CSV alone.

    Raises:
        BadInputError: the file cannot be written, or there is no such table.
        StopError: Cassandra does not answer.
    """
    terminal = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        click.echo(f"\r{done} of {total} partitions read ", err=True, nl=not terminal)

    with tables.session(config.cassandra) as session:
        try:
            found = rows(session, config.keyspace, selection, progress)
            if form == "parquet":
                assert output is not None  # noqa: S101 - the command line sees to it
                count = files.write_parquet(found, selection.columns, output)
            else:
                with files.new_file(output) as target:
                    count = files.write_csv(found, selection.columns, target)
        except InvalidRequest as error:
            raise BadInputError(
                f"run: there is no table {config.keyspace}.{selection.table} ({error.args[0]}): was its job"
                " ever started?"
            ) from error
    click.echo(f"{count} rows exported", err=True)
