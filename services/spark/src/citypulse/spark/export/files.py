"""Rows written as CSV or Parquet. Times are ISO 8601, UTC; what is not known is empty."""

import csv
import datetime
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from citypulse.spark.errors import BadInputError
from citypulse.spark.spans import Row

_TIMES = ("window_start", "hour_start", "updated_at")
_TEXTS = ("feed", "country", "city_id", "name")
_DEGREES = ("lat", "lon")


def write_csv(rows: Iterable[Row], columns: Sequence[str], target: TextIO) -> int:
    """Write rows under a line with the columns' names; returns how many."""
    out = csv.writer(target, lineterminator="\n")
    out.writerow(columns)
    count = 0
    for row in rows:
        out.writerow([_iso(row[name]) if name in _TIMES else row[name] for name in columns])
        count += 1
    return count


@contextmanager
def new_file(path: Path | None) -> Iterator[TextIO]:
    """A text file that is there as a whole or not at all; standard output where there is no path.

    Raises:
        BadInputError: it cannot be written.
    """
    if path is None:
        yield sys.stdout
        return
    draft = path.with_name(f".{path.name}.new")
    try:
        with draft.open("w", encoding="utf-8", newline="") as target:
            yield target
        draft.replace(path)
    except OSError as error:
        raise BadInputError(f"--output {path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def write_parquet(rows: Iterable[Row], columns: Sequence[str], path: Path) -> int:
    """Write rows as one Parquet file; returns how many. Times are timestamps in UTC.

    They go through a CSV file in the directory of `path`, which Spark reads: neither side holds them all.

    Raises:
        BadInputError: it cannot be written.
    """
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise BadInputError(f"--output {path} cannot be written: {error.strerror}") from error
    try:
        with new_file(work / "rows.csv") as target:
            count = write_csv(rows, columns, target)
        _convert(work / "rows.csv", work / "parquet", columns)
        (made,) = (work / "parquet").glob("part-*.parquet")
        made.replace(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return count


def _convert(source: Path, target: Path, columns: Sequence[str]) -> None:
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master("local[1]").appName("citypulse-export")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MILLIS",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    try:
        spark.sparkContext.setLogLevel("ERROR")
        schema = ", ".join(f"{name} {_type(name)}" for name in columns)
        options = {"header": True, "escape": '"', "multiLine": True, "mode": "FAILFAST"}
        read = spark.read.schema(schema).options(**options).csv(str(source))
        read.coalesce(1).write.parquet(str(target))
    finally:
        spark.stop()


def _type(column: str) -> str:
    if column in _TIMES:
        return "TIMESTAMP"
    if column in _TEXTS:
        return "STRING"
    return "DOUBLE" if column in _DEGREES else "LONG"


def _iso(milliseconds: Any) -> str:
    if milliseconds is None:
        return ""
    moment = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds").replace(
        "+00:00", "Z"
    )
