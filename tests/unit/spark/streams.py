"""The query as a stream in this process, from text files: each is a micro-batch with a record a line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from citypulse.spark.counting import query

from .tweets import START

APPENDED = START + 26 * 60_000
"""When the broker appended every record, in ms."""

Cells = dict[tuple[str, str, str, int], Row]


def appended(values: DataFrame) -> DataFrame:
    """Lines of text as Kafka's records."""
    return values.withColumn("timestamp", query.F.timestamp_millis(query.F.lit(APPENDED)))


def counted(
    spark: SparkSession,
    directory: Path,
    batches: list[str],
    look: Callable[[Any, int], None] = lambda running, batch: None,
) -> tuple[Cells, list[dict[str, Any]]]:
    """Gives the last state of each cell, and what was observed in each batch.

    Args:
        look: called with the query and the number of a batch whose cells are computed and which is not
            committed yet.
    """
    source = directory / "in"
    source.mkdir(exist_ok=True)
    cells: Cells = {}
    observed: list[dict[str, Any]] = []

    def keep(rows: DataFrame, batch: int) -> None:
        for row in rows.collect():
            cells[row["feed"], row["country"], row["city_id"], row["window_start"]] = row
        look(spark.streams.active[0], batch)

    for number, text in enumerate(batches):
        file = source / f"{number:03d}.txt"
        file.write_text(text)
        os.utime(file, (number + 1, number + 1))
    texts = spark.readStream.option("maxFilesPerTrigger", 1).text(str(source))
    running = (
        query.count(query.observe(query.parse(appended(texts))), "10 minutes")
        .writeStream.outputMode("update")
        .option("checkpointLocation", str(directory / "checkpoint"))
        .trigger(availableNow=True)
        .foreachBatch(keep)
        .start()
    )
    assert running.awaitTermination(240), "the query did not end within 240 s"
    for progress in running.recentProgress:
        if progress.numInputRows:
            observed.append(json.loads(progress.json)["observedMetrics"][query.OBSERVED])
    return cells, observed
