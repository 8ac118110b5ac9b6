"""What to change of X's rules so that they watch what was chosen, with few changes at a time.

A rule is made anew only to make room. New ids go into new rules; while those are more than X leaves, rules
with the most ids that nobody wants any more are taken back, and what is still wanted in them goes into the
new ones as well. The one that is emptiest is always taken back, so that rules stay full.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from citypulse.producer.retweets.packing import PER_RULE, pack


class Change(NamedTuple):
    """What to do on X."""

    add: list[tuple[int, ...]]
    """The ids of each new rule."""
    delete: list[str]
    """Ids of rules."""

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.add or self.delete)


def plan(rules: Mapping[str, Sequence[int]], chosen: Sequence[int], budget: int, most: int) -> Change:
    """The change to make.

    Afterwards X has no more than `budget` rules, unless it had more than `most` too many; everything that was
    chosen is watched, unless that needs more than `most` new rules: then the best of it, as far as they go.

    Args:
        rules: those that X has for this purpose, id → watched posts.
        chosen: posts to watch, the best first; no more than fit into `budget` rules.
        budget: how many rules X may have for this purpose.
        most: how many may be made at a time.
    """
    wanted = dict.fromkeys(chosen[: budget * PER_RULE])
    used: dict[str, list[int]] = {}
    for rule, posts in reversed(list(rules.items())):
        # An id that two rules watch, after a change that was left half done, is used in the newer one.
        used[rule] = [post for post in dict.fromkeys(posts) if post in wanted]
        for post in used[rule]:
            del wanted[post]
    new = list(wanted)
    emptiest = sorted(used, key=lambda rule: len(used[rule]))
    delete = [rule for rule in emptiest if not used[rule] and len(rules) > budget]
    kept: list[int] = []
    for rule in [rule for rule in emptiest if rule not in delete]:
        fills_up = new and not kept and len(used[rule]) < PER_RULE
        needed = _count(rules, delete, kept, new[: max(most * PER_RULE - len(kept), 0)]) > budget
        if not (fills_up or needed) or len(kept) + len(used[rule]) > most * PER_RULE:
            break
        delete.append(rule)
        kept += used[rule]
    room = min(most, budget - len(rules) + len(delete)) * PER_RULE
    # X takes no rule twice: one that would be made again as it is stays.
    same = {frozenset(posts): rule for rule, posts in rules.items()}
    add = []
    for posts in pack(kept + new[: max(room - len(kept), 0)]):
        there = same.get(frozenset(posts))
        if there is None:
            add.append(posts)
        elif there in delete:
            delete.remove(there)
    return Change(add, delete)


def _count(rules: Mapping[str, Sequence[int]], delete: list[str], kept: list[int], new: list[int]) -> int:
    return len(rules) - len(delete) + -(-(len(kept) + len(new)) // PER_RULE)
