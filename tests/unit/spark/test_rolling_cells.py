"""Cells that are merged: posts add up, users unite; in Python as in Spark."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark.counting.query import LG_K
from citypulse.spark.rolling import cells
from citypulse.spark.rolling.cells import Cell, merge, unite
from citypulse.spark.verify.stored import sketch_estimate

from .rolling_windows import sketch

SEEDS = 200


def cell(users: set[int], tweets: int = 0, retweets: int | None = None, updated_at: int = 0) -> Cell:
    return Cell(tweets, 1, 2, 3, retweets, len(users), sketch(users), updated_at)


user_sets = st.lists(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=30), min_size=1, max_size=12)


class TestMerging:
    @given(user_sets)
    def test_unites_users(self, sets: list[set[int]]) -> None:
        merged = merge([cell(users) for users in sets])
        assert merged.active_users == len(set().union(*sets))
        assert sketch_estimate(merged.sketch) == merged.active_users

    @given(user_sets, st.integers(1, 11))
    def test_in_steps_is_the_same_as_all_at_once(self, sets: list[set[int]], step: int) -> None:
        made = [cell(users, tweets=2) for users in sets]
        steps = [merge(made[first : first + step]) for first in range(0, len(made), step)]
        assert merge(steps).active_users == merge(made).active_users
        assert merge(steps).tweets == merge(made).tweets == 2 * len(made)

    def test_adds_posts_and_keeps_the_newest_time(self) -> None:
        merged = merge([cell({1}, 5, 2, 70), cell({1}, 7, None, 50)])
        assert (merged.tweets, merged.originals, merged.replies, merged.quotes) == (12, 2, 4, 6)
        assert (merged.retweets, merged.updated_at) == (2, 70)

    def test_says_of_retweets_that_nobody_counted_them(self) -> None:
        assert merge([cell({1}), cell({2})]).retweets is None

    def test_of_one_cell_is_that_cell(self) -> None:
        one = cell({1, 2, 3}, 4)
        assert merge([one]) is one

    def test_takes_cells_without_a_sketch_as_without_users(self) -> None:
        assert unite([b"", sketch({1, 2})])[0] == 2


class TestTheError:
    def test_is_nothing_up_to_4096_users(self) -> None:
        for seed in range(20):
            users = users_of(seed, 4_096)
            assert merged_of(seed, users) == 4_096

    @pytest.mark.parametrize("count", [5_000, 20_000])
    def test_beyond_is_within_5_percent_and_1_7_percent_in_the_mean_square(self, count: int) -> None:
        errors = [merged_of(seed, users_of(seed, count)) / count - 1 for seed in range(SEEDS)]
        assert max(map(abs, errors)) <= 0.05
        assert (sum(error**2 for error in errors) / SEEDS) ** 0.5 <= 0.017


class TestSpark:
    """The windows' sketches are Spark's, and what is merged here may be merged there again."""

    @pytest.mark.parametrize("count", [0, 1, 2, 3, 300, 4_096, 5_000, 50_000])
    def test_writes_what_is_read_here(self, spark: SparkSession, count: int) -> None:
        theirs = spark.range(count).agg(F.theta_sketch_agg("id", LG_K).alias("sketch"))
        row = theirs.select("sketch", F.theta_sketch_estimate("sketch").alias("users")).collect()[0]
        ours, made = unite([bytes(row["sketch"])])
        assert ours == row["users"]
        assert cells.LG_K == LG_K
        if count <= 4_096:
            assert ours == count
            assert made == sketch(set(range(count)))

    @pytest.mark.parametrize("count", [0, 1, 2, 300, 4_096, 50_000])
    def test_reads_what_is_written_here(self, spark: SparkSession, count: int) -> None:
        ours, made = unite([sketch(set(range(count)))])
        rows = spark.createDataFrame([(bytearray(made),), (bytearray(made),)], "sketch BINARY")
        united = rows.agg(F.theta_union_agg("sketch", LG_K).alias("sketch"))
        assert united.select(F.theta_sketch_estimate("sketch")).collect()[0][0] == ours


def users_of(seed: int, count: int) -> list[int]:
    made = random.Random(seed)
    return made.sample(range(10**18), count)


def merged_of(seed: int, users: list[int]) -> int:
    """Users spread over 12 windows, most of them in several, merged in two steps."""
    made = random.Random(seed)
    windows: list[set[int]] = [set() for _ in range(12)]
    for user in users:
        windows[made.randrange(12)].add(user)
        windows[made.randrange(12)].add(user)
    parts = [cell(window) for window in windows]
    return merge([merge(parts[:5]), merge(parts[5:])]).active_users
