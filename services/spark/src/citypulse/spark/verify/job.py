"""How far the job has counted, read from outside: from its checkpoint, or from what it says."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import msgspec
from kafka import TopicPartition

from citypulse.spark.config import Config
from citypulse.spark.counting.query import PLAN
from citypulse.spark.errors import StopError

_ATTEMPTS = 5


def committed(config: Config) -> dict[TopicPartition, int]:
    """End offsets of the job's last committed batch; empty before the first.

    Raises:
        StopError: the checkpoint is not a local directory and the job does not answer, or the checkpoint
            cannot be read.
    """
    where = urlparse(config.checkpoint_dir)
    if where.scheme not in ("", "file"):
        return _told(config)
    directory = Path(where.path) / PLAN
    for _ in range(_ATTEMPTS):
        try:
            return _last(directory)
        except FileNotFoundError:
            # The batch was cleaned away between listing and reading.
            time.sleep(0.2)
        except (OSError, msgspec.DecodeError, IndexError) as error:
            raise StopError(
                f"checkpoint_dir = {directory} cannot be read ({error}): is it that of this run's job?"
            ) from error
    raise StopError(f"checkpoint_dir = {directory} changes faster than it can be read: try again")


def _last(directory: Path) -> dict[TopicPartition, int]:
    commits = directory / "commits"
    if not commits.is_dir():
        return {}
    batches = [int(file.name) for file in commits.iterdir() if file.name.isdigit()]
    if not batches:
        return {}
    # A version, the batch's metadata, then the source's offsets.
    source = (directory / "offsets" / str(max(batches))).read_text().splitlines()[2]
    return _flat(msgspec.json.decode(source, type=dict[str, dict[str, int]]))


def _told(config: Config) -> dict[TopicPartition, int]:
    url = f"http://{config.http.address}:{config.http.port}/status"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return _flat(msgspec.json.decode(answer.read(), type=_Status).processed)
    except (urllib.error.URLError, OSError, msgspec.DecodeError) as error:
        raise StopError(
            f"checkpoint_dir = {config.checkpoint_dir} is no local directory, and the job does not answer at"
            f" {url}: start it, so that it can say how far it is ({error})"
        ) from error


class _Status(msgspec.Struct):
    processed: dict[str, dict[str, int]] = {}


def _flat(offsets: dict[str, dict[str, int]]) -> dict[TopicPartition, int]:
    return {
        TopicPartition(topic, int(partition)): offset
        for topic, partitions in offsets.items()
        for partition, offset in partitions.items()
    }
