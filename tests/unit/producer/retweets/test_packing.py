"""Ids fill the fewest rules that X takes, and can be read from them again."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.retweets import packing
from citypulse.producer.stream.rules import MAX_LENGTH, MAX_RULES
from citypulse.replay.rule_syntax import parse

IDS = st.lists(st.integers(1, 2**63 - 1), unique=True, max_size=200)
NINETEEN_DIGITS = st.lists(st.integers(10**18, 2**63 - 1), unique=True, max_size=200)


@given(IDS)
def test_every_rule_is_within_xs_length_and_xs_grammar(ids: list[int]) -> None:
    for group in packing.pack(ids):
        value = packing.value(group)
        assert len(value) <= MAX_LENGTH
        assert parse(value)


@given(IDS)
def test_all_ids_are_there_once_and_are_read_again(ids: list[int]) -> None:
    read = [post for group in packing.pack(ids) for post in packing.posts(packing.value(group))]
    assert sorted(read) == sorted(ids)


@given(NINETEEN_DIGITS)
def test_no_packing_takes_fewer_rules(ids: list[int]) -> None:
    """What one id takes, with what joins it to the next, bounds what any rule holds."""
    characters = len("retweets_of_tweet_id:") + 19 + len(" OR ")
    assert len(packing.pack(ids)) == math.ceil(len(ids) / ((MAX_LENGTH + len(" OR ")) // characters))


def test_a_thousand_rules_hold_twenty_three_thousand_posts() -> None:
    assert packing.PER_RULE * MAX_RULES == 23_000


def test_the_same_posts_make_the_same_rule_in_whatever_order() -> None:
    assert packing.value([3, 1, 2]) == packing.value([2, 3, 1])
