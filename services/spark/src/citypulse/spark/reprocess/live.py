"""Which windows the job can still write, read from its checkpoint."""

from pyspark.sql import SparkSession

from citypulse.spark.config import Config
from citypulse.spark.counting.checkpoint import Checkpoint
from citypulse.spark.counting.query import PLAN
from citypulse.spark.errors import StopError


def closed_until(spark: SparkSession, config: Config) -> int | None:
    """The time (ms since the epoch) up to which windows have ended for the job; it never writes them again.

    It is the watermark of the last committed batch: events before it are late for every batch that follows. 0
    before the first. None where there is no checkpoint, and so no job.

    Raises:
        StopError: the checkpoint cannot be read.
    """
    checkpoint = Checkpoint(spark, config.checkpoint_dir, PLAN)
    try:
        last = checkpoint.last()
        if last is not None:
            return last.watermark
        return None if checkpoint.whole_after() is None else 0
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise StopError(f"checkpoint_dir = {config.checkpoint_dir} cannot be read: {reason}") from error
