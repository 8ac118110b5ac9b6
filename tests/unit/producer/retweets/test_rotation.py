"""The rules become what was chosen, a few at a time, and never more than are allowed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.retweets.packing import PER_RULE
from citypulse.producer.retweets.rotation import Change, plan

POSTS = st.integers(1, 400)
GROUPS = st.lists(st.lists(POSTS, min_size=1, max_size=PER_RULE, unique=True), max_size=12)
CHOSEN = st.lists(POSTS, unique=True, max_size=300)

Rules = Mapping[str, tuple[int, ...]]


def made(groups: list[list[int]]) -> Rules:
    """X takes no rule twice."""
    groups = [list(posts) for posts in dict.fromkeys(tuple(sorted(posts)) for posts in groups)]
    return {str(n): tuple(posts) for n, posts in enumerate(groups)}


def after(rules: Rules, change: Change) -> Rules:
    kept = {rule: posts for rule, posts in rules.items() if rule not in change.delete}
    return kept | {f"new {n}": posts for n, posts in enumerate(change.add)}


def watched(rules: Rules) -> set[int]:
    return set(itertools.chain.from_iterable(rules.values()))


@given(GROUPS, CHOSEN, st.integers(0, 14))
def test_all_that_was_chosen_is_watched_where_nothing_bounds_a_change(
    groups: list[list[int]], chosen: list[int], budget: int
) -> None:
    rules, fitting = made(groups), chosen[: budget * PER_RULE]
    there = after(rules, plan(rules, fitting, budget, most=1000))
    assert set(fitting) <= watched(there)
    assert len(there) <= budget


@given(GROUPS, CHOSEN, st.integers(0, 14), st.integers(1, 5))
def test_a_bounded_change_keeps_what_is_chosen_and_adds_the_best(
    groups: list[list[int]], chosen: list[int], budget: int, most: int
) -> None:
    rules, fitting = made(groups), chosen[: budget * PER_RULE]
    change = plan(rules, fitting, budget, most)
    there = after(rules, change)
    assert len(change.add) <= most
    assert all(0 < len(posts) <= PER_RULE for posts in change.add)
    assert not {frozenset(posts) for posts in change.add} & {frozenset(posts) for posts in rules.values()}
    assert len(there) <= max(budget, len(rules))
    assert watched(rules) & set(fitting) <= watched(there)
    new = [post for post in fitting if post not in watched(rules)]
    added = [post for post in new if post in watched(there)]
    assert added == new[: len(added)]


@given(GROUPS, CHOSEN, st.integers(0, 14), st.integers(1, 5))
def test_bounded_changes_come_to_the_same_end(
    groups: list[list[int]], chosen: list[int], budget: int, most: int
) -> None:
    rules, fitting = made(groups), chosen[: budget * PER_RULE]
    for turn in range(200):
        change = plan(rules, fitting, budget, most)
        if not change:
            break
        rules = {f"{turn} {rule}": posts for rule, posts in after(rules, change).items()}
    else:
        raise AssertionError("it changes for ever")
    assert set(fitting) <= watched(rules)
    assert len(rules) <= budget


@given(GROUPS, CHOSEN)
def test_nothing_is_changed_where_all_is_watched(groups: list[list[int]], chosen: list[int]) -> None:
    rules = made(groups)
    there = [post for post in chosen if post in watched(rules)]
    assert not plan(rules, there, budget=len(rules) or 1, most=5)


def test_rules_stay_full_however_few_posts_come_at_a_time() -> None:
    rules: Rules = {}
    for number in range(1, 200):
        change = plan(rules, list(range(number, 0, -1)), budget=50, most=5)
        rules = {f"{number} {rule}": posts for rule, posts in after(rules, change).items()}
        assert len(rules) == -(-number // PER_RULE)
