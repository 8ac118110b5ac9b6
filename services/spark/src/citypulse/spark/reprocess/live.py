"""Which windows the job can still write, read from its checkpoint."""

from typing import Any

import msgspec
from pyspark.sql import SparkSession

from citypulse.spark.config import Config
from citypulse.spark.counting.query import PLAN
from citypulse.spark.errors import StopError


class _Metadata(msgspec.Struct):
    batchWatermarkMs: int = 0  # noqa: N815 - Spark's own name


def closed_until(spark: SparkSession, config: Config) -> int | None:
    """The time (ms since the epoch) up to which windows have ended for the job; it never writes them again.

    It is the watermark of the last planned batch but one: a batch takes events that are late by its own
    watermark, but not by that of the batch before. 0 before the second batch. None where there is no
    checkpoint, and so no job that could write anything older than what is in the topics.

    Raises:
        StopError: the checkpoint cannot be read.
    """
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(f"{config.checkpoint_dir.rstrip('/')}/{PLAN}/offsets")
    try:
        files = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
        if not files.exists(path):
            return None
        names = [status.getPath().getName() for status in files.listStatus(path)]
        batches = sorted(int(name) for name in names if name.isdigit())
        if not batches:
            return None
        if len(batches) < 2:
            return 0
        stream = files.open(jvm.org.apache.hadoop.fs.Path(path, str(batches[-2])))
        try:
            text: str = jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()
        return watermark(text)
    except Exception as error:
        raise StopError(f"checkpoint_dir = {config.checkpoint_dir} cannot be read: {error}") from error


def watermark(text: str) -> int:
    """The watermark of a batch, from its file of the offset log: a version, then the batch's metadata."""
    return msgspec.json.decode(text.splitlines()[1], type=_Metadata).batchWatermarkMs
