"""Ids of posts in rules `retweets_of_tweet_id:`, and back."""

import re
from collections.abc import Iterable, Sequence

from citypulse.producer.stream.rules import MAX_LENGTH

OPERATOR = "retweets_of_tweet_id:"
_OR = " OR "
_TERM = re.compile(rf"{OPERATOR}(\d+)")
_LONGEST_ID = 19
"""Digits of an id, which X keeps in 63 bits."""

PER_RULE = (MAX_LENGTH + len(_OR)) // (len(OPERATOR) + _LONGEST_ID + len(_OR))
"""Ids that fit into one rule however long they are: 23."""


def value(posts: Iterable[int]) -> str:
    """The rule that brings the retweets of these posts. The same posts make the same rule."""
    return _OR.join(f"{OPERATOR}{post}" for post in sorted(posts))


def posts(rule: str) -> tuple[int, ...]:
    """The posts whose retweets a rule of ours brings."""
    return tuple(int(found) for found in _TERM.findall(rule))


def pack(ids: Sequence[int]) -> list[tuple[int, ...]]:
    """The fewest groups that fit into a rule each, in the order that is given.

    Every id of the last ten years has 19 digits, so that none fits more than `PER_RULE`.
    """
    return [tuple(ids[n : n + PER_RULE]) for n in range(0, len(ids), PER_RULE)]
