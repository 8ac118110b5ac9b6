"""The checkpoint seen from outside: how far its last committed batch reaches, and its removal."""

from typing import Any

import msgspec
from pyspark.sql import SparkSession

Offsets = dict[str, dict[str, int]]


def committed(spark: SparkSession, place: str) -> Offsets:
    """End offsets of the last committed batch by topic and partition; empty for a new checkpoint.

    Until the first batch after a start nothing else tells how far the job is.
    """
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(place)
    files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    commits = jvm.org.apache.hadoop.fs.Path(path, "commits")
    if not files.exists(commits):
        return {}
    numbers = [status.getPath().getName() for status in files.listStatus(commits)]
    batches = [int(number) for number in numbers if number.isdigit()]
    if not batches:
        return {}
    stream = files.open(jvm.org.apache.hadoop.fs.Path(path, f"offsets/{max(batches)}"))
    try:
        text: str = jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()
    return parse(text)


def parse(text: str) -> Offsets:
    """Offsets from a file of the offset log: a version, the batch's metadata, then one line for each
    source."""
    return msgspec.json.decode(text.splitlines()[2], type=Offsets)
