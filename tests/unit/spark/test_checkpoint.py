"""A checkpoint seen from outside: how far it is, what is wrong with it, and what cannot change."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from citypulse.spark.counting import checkpoint
from citypulse.spark.counting.checkpoint import Checkpoint, Logged
from citypulse.spark.errors import BadInputError

OFFSETS = {"tweets": {"0": 5}, "tweets.vote": {"1": 6}}
PROPERTIES = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.streaming.stateStore.providerClass": "org.x.RocksDBStateStoreProvider",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A checkpoint of four batches, the last of which is not committed."""
    plan = tmp_path / "plan-9"
    for log in ("offsets", "commits"):
        (plan / log).mkdir(parents=True)
    for batch in range(4):
        metadata = {"batchWatermarkMs": batch * 1000, "batchTimestampMs": 1, "conf": PROPERTIES}
        text = f"v1\n{json.dumps(metadata)}\n{json.dumps(OFFSETS)}"
        (plan / "offsets" / str(batch)).write_text(text)
        if batch < 3:
            (plan / "commits" / str(batch)).write_text('v1\n{"nextBatchWatermarkMs":0}')
    (plan / "whole_after").write_text("77")
    return tmp_path


def open_(spark: SparkSession, directory: Path) -> Checkpoint:
    return Checkpoint(spark, str(directory), "plan-9")


def test_a_new_one_has_no_last_batch(spark: SparkSession, tmp_path: Path) -> None:
    new = open_(spark, tmp_path / "none")
    assert new.last() is None
    assert new.others() == []
    assert new.whole_after() is None


def test_the_last_batch_is_the_last_committed_one(spark: SparkSession, directory: Path) -> None:
    assert open_(spark, directory).last() == Logged(OFFSETS, 2000, PROPERTIES)


def test_a_time_is_kept_with_it(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "plan-9").mkdir()
    found = open_(spark, tmp_path)
    found.keep_whole_after(1_790_000_000_000)
    assert open_(spark, tmp_path).whole_after() == 1_790_000_000_000


def test_states_of_other_plans_are_found(spark: SparkSession, directory: Path) -> None:
    (directory / "plan-1").mkdir()
    (directory / "something").mkdir()
    assert open_(spark, directory).others() == ["plan-1"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("offsets/2", "v1\n{", "batch 2 cannot be read"),
        ("offsets/2", "", "batch 2 cannot be read"),
        ("offsets/3", "v1\n{}\n{}", "batch 3 cannot be read"),
        ("offsets/2", None, "batch 2 is committed and not in the offset log"),
        ("whole_after", None, "whole_after is gone"),
    ],
)
def test_a_damaged_one_says_what_is_wrong(
    spark: SparkSession, directory: Path, file: str, text: str | None, said: str
) -> None:
    damaged = directory / "plan-9" / file
    damaged.unlink() if text is None else damaged.write_text(text)
    with pytest.raises(ValueError, match=said):
        open_(spark, directory).last()


def test_a_damaged_one_is_moved_out_of_the_way_and_only_the_newest_kept(
    spark: SparkSession, directory: Path
) -> None:
    (directory / "plan-9.damaged-1").mkdir()
    moved = Path(open_(spark, directory).set_aside())
    assert moved.name.startswith("plan-9.damaged-")
    assert (moved / "whole_after").exists()
    assert [path.name for path in directory.iterdir()] == [moved.name]
    assert open_(spark, directory).last() is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("spark.sql.shuffle.partitions", "4", "shuffle_partitions = 4, but the state in /c is made with 2"),
        ("spark.sql.streaming.stateStore.providerClass", "org.x.Other", "state_store = Other"),
    ],
)
def test_what_the_state_is_made_with_cannot_change(name: str, value: str, said: str) -> None:
    last = Logged(OFFSETS, 0, PROPERTIES)
    checkpoint.check(last, PROPERTIES, "/c")
    with pytest.raises(BadInputError, match=said):
        checkpoint.check(last, PROPERTIES | {name: value}, "/c")
