"""The checkpoint seen from outside: how far it reaches, what it was made with, and what the job keeps beside
it."""

import time
from typing import Any

import msgspec
import structlog
from pyspark.sql import SparkSession

from citypulse.spark.errors import BadInputError
from citypulse.spark.topics import Offsets

_log = structlog.get_logger()

_WHOLE_AFTER = "whole_after"
"""A file of the job's own: the time after which windows are whole, in ms since the epoch."""
_FROZEN = {
    "spark.sql.shuffle.partitions": "shuffle_partitions",
    "spark.sql.streaming.stateStore.providerClass": "state_store",
}
"""Properties that a state is made with, and the configuration's keys for them."""


class Logged(msgspec.Struct, frozen=True):
    """A batch in the offset log."""

    offsets: Offsets
    watermark: int
    """The watermark that evicts from the state after the batch, and makes events late from the next on: ms
    since the epoch."""
    properties: dict[str, str]
    """Spark's, as far as the state depends on them."""


class Checkpoint:
    """A checkpoint's directory, on whatever file system its URL names."""

    def __init__(self, spark: SparkSession, directory: str, plan: str) -> None:
        jvm: Any = spark.sparkContext._jvm
        self._path_of: Any = jvm.org.apache.hadoop.fs.Path
        self._text_of: Any = jvm.org.apache.commons.io.IOUtils.toString
        self._directory = self._path_of(directory.rstrip("/"))
        self._plan = plan
        self._files = self._directory.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
        self.place = f"{directory.rstrip('/')}/{plan}"

    def last(self) -> Logged | None:
        """The last committed batch; None for a new checkpoint.

        Raises:
            ValueError: the checkpoint is damaged.
        """
        batches = self._numbers("commits")
        if not batches:
            return None
        if max(batches) not in self._numbers("offsets"):
            raise ValueError(f"batch {max(batches)} is committed and not in the offset log")
        for batch in self._numbers("offsets"):
            if batch >= max(batches):
                try:
                    logged = parse(self._read(f"offsets/{batch}"))
                except (msgspec.DecodeError, IndexError) as error:
                    raise ValueError(f"batch {batch} cannot be read in the offset log: {error}") from error
                if batch == max(batches):
                    last = logged
        if self.whole_after() is None:
            raise ValueError(f"its file {_WHOLE_AFTER} is gone")
        return last

    def others(self) -> list[str]:
        """Other plans that left a state here."""
        if not self._files.exists(self._directory):
            return []
        names = (status.getPath().getName() for status in self._files.listStatus(self._directory))
        return sorted(name for name in names if name.startswith("plan-") and name != self._plan)

    def whole_after(self) -> int | None:
        """What was kept by `keep_whole_after`."""
        return int(self._read(_WHOLE_AFTER)) if self._files.exists(self._path(_WHOLE_AFTER)) else None

    def keep_whole_after(self, moment: int) -> None:
        """Keep a time, in ms since the epoch, with the checkpoint."""
        new = self._path(f".{_WHOLE_AFTER}.new")
        stream = self._files.create(new, True)
        stream.writeBytes(f"{moment}")
        stream.close()
        if not self._files.rename(new, self._path(_WHOLE_AFTER)):
            raise OSError(f"{self.place}/{_WHOLE_AFTER} cannot be written")

    def set_aside(self) -> str:
        """Move a damaged state out of the way, in place of one that was moved before; returns where to."""
        for name in self.others():
            if name.startswith(f"{self._plan}.damaged"):
                self._files.delete(self._path_of(self._directory, name), True)
        aside = self._path_of(self._directory, f"{self._plan}.damaged-{round(time.time())}")
        if not self._files.rename(self._path(), aside):
            raise OSError(f"{self.place} cannot be moved to {aside.toString()}")
        return str(aside.toString())

    def _path(self, below: str = "") -> Any:
        return self._path_of(self._directory, f"{self._plan}/{below}".rstrip("/"))

    def _numbers(self, log: str) -> list[int]:
        if not self._files.exists(self._path(log)):
            return []
        names = (status.getPath().getName() for status in self._files.listStatus(self._path(log)))
        return sorted(int(name) for name in names if name.isdigit())

    def _read(self, below: str) -> str:
        stream = self._files.open(self._path(below))
        try:
            return str(self._text_of(stream, "UTF-8"))
        finally:
            stream.close()


def parse(text: str) -> Logged:
    """A file of the offset log: a version, the batch's metadata, then one line for each source."""
    lines = text.splitlines()
    metadata = msgspec.json.decode(lines[1], type=_Metadata)
    offsets = msgspec.json.decode(lines[2], type=Offsets)
    return Logged(offsets, metadata.batchWatermarkMs, metadata.conf)


class _Metadata(msgspec.Struct):
    batchWatermarkMs: int  # noqa: N815 - as Spark spells it
    conf: dict[str, str]


def check(last: Logged, properties: dict[str, str], place: str) -> None:
    """Refuse a configuration that the state was not made with.

    Args:
        last: a batch of the checkpoint.
        properties: Spark's, as they are now.

    Raises:
        BadInputError: one that cannot change has changed.
    """
    for name, key in _FROZEN.items():
        made, now = last.properties.get(name), properties.get(name)
        if made is not None and made != now:
            raise BadInputError(
                f"{key} = {_short(now)}, but the state in {place} is made with {_short(made)}, which cannot"
                f" change: set {key} back, or stop the job, remove that directory and start it, so that it"
                " counts anew from the first record that Kafka keeps"
            )


def _short(value: str | None) -> str:
    return str(value).rpartition(".")[2]
