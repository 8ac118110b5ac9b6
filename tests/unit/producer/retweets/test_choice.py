"""The best are chosen, by whatever is the best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer.retweets import choice
from citypulse.producer.retweets.candidates import Candidate
from citypulse.producer.retweets.choice import Policy

NOW = 2_000_000_000_000
HOUR = 3_600_000
CANDIDATES = st.dictionaries(
    st.integers(1, 1000), st.builds(Candidate, st.integers(NOW - 48 * HOUR, NOW + HOUR), st.integers(0, 500))
)


@given(CANDIDATES, st.integers(0, 50), st.sampled_from(sorted(choice.SCORES)))
def test_nothing_that_is_left_out_is_better(
    candidates: dict[int, Candidate], most: int, policy: Policy
) -> None:
    score = choice.SCORES[policy]
    chosen = choice.best(candidates, NOW, most, score)
    assert len(set(chosen)) == len(chosen) == min(most, len(candidates))
    values = [score(candidates[post], NOW) for post in chosen]
    assert values == sorted(values, reverse=True)
    left = [score(found, NOW) for post, found in candidates.items() if post not in chosen]
    assert not chosen or not left or values[-1] >= max(left)


@pytest.mark.parametrize(
    ("policy", "order"),
    [
        ("newest", ["new", "popular and young", "quiet and young", "popular and old"]),
        ("most_retweeted", ["popular and old", "popular and young", "new", "quiet and young"]),
        ("mix", ["popular and young", "new", "popular and old", "quiet and young"]),
    ],
)
def test_what_a_policy_prefers(policy: Policy, order: list[str]) -> None:
    named = {
        1: ("new", Candidate(NOW, 0)),
        2: ("popular and young", Candidate(NOW - HOUR, 80)),
        3: ("popular and old", Candidate(NOW - 40 * HOUR, 100)),
        4: ("quiet and young", Candidate(NOW - HOUR - 1, 0)),
    }
    candidates = {post: found for post, (_, found) in named.items()}
    chosen = choice.best(candidates, NOW, 4, choice.SCORES[policy])
    assert [named[post][0] for post in chosen] == order
