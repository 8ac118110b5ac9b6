"""Which posts to watch: the share of true retweets that each policy catches, against two oracles.

    .citypulse/dev/bin/python -m benchmarks.retweets [--hours 6] [--rounds 3] [--rates 2 5 25 100]

The producer's own choice and rotation run over a generated stream (`benchmarks.retweets_law`) with X's limits
a tenth as large: 90 rules of 23 posts, and 10 that may be made anew every 20 s. At a tenth of the limits a
tenth of the stream is equally hard, so that posts a second are given as for the whole of them. A retweet
is caught if a rule names its post when it comes. Nothing is known of a post whose retweets were not watched.
Counted is the second half of the time, when the rules have long been full.

foresight    an oracle with the same rules at the same times, as many new ones, that knows every retweet
             beforehand: before each change it takes the posts with the most retweets until the next one. What
             it misses nobody can have: retweets that come before a rule can name their post
true rates   knows how many retweets each post gets in its life, and the law of delays, but not their times:
             it watches where the most are to be expected. Within a change it is bound as the policies are
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Callable, Iterable

from benchmarks.retweets_law import DELAY_SHAPE, FLAT_MS, Happens, stream
from citypulse.producer.config import Retweets
from citypulse.producer.retweets import choice, rotation
from citypulse.producer.retweets.candidates import Candidate
from citypulse.producer.retweets.packing import PER_RULE

SCALE = 10
"""X's limits are divided by it, and so is the stream."""
LIMITS = Retweets()
RULES = (1000 - LIMITS.change_rules) // SCALE
CHANGE_RULES = LIMITS.change_rules // SCALE
CHANGE_MS = int(LIMITS.change_seconds * 1000)
KNOWN = LIMITS.known // SCALE
RATES = (2, 5, 25, 100)
"""Located posts a second, at X's whole limits. 3 million posts a month, which X sells at most, are 1.2."""


def caught(happens: list[Happens], score: choice.Score, totals: Counter[int] | None = None) -> list[Happens]:
    """The retweets that a policy catches.

    Args:
        happens: the stream.
        score: the policy.
        totals: retweets of each post, where it knows them beforehand.
    """
    found: list[Happens] = []
    candidates: dict[int, Candidate] = {}
    rules: dict[str, tuple[int, ...]] = {}
    watched: Counter[int] = Counter()
    due, made = CHANGE_MS, 0
    for one in happens:
        while one.at >= due:
            if len(candidates) > KNOWN * 1.1:
                kept = choice.best(candidates, due, KNOWN, score)
                candidates = {post: candidates[post] for post in kept}
            chosen = choice.best(candidates, due, RULES * PER_RULE, score)
            change = rotation.plan(rules, chosen, RULES, CHANGE_RULES)
            for rule in change.delete:
                watched.subtract(rules.pop(rule))
            for posts in change.add:
                made += 1
                rules[str(made)] = posts
                watched.update(posts)
            due += CHANGE_MS
        if not one.is_retweet:
            candidates[one.post] = Candidate(one.at, totals[one.post] if totals is not None else 0)
        elif watched[one.post] > 0:
            found.append(one)
            if totals is None and one.post in candidates:
                candidates[one.post].retweets += 1
    return found


def foreseen(happens: list[Happens]) -> list[Happens]:
    """The retweets that the oracle with foresight catches."""
    found: list[Happens] = []
    made: set[int] = set()
    watched: set[int] = set()
    for turn in _turns(happens):
        wanted = Counter(one.post for one in turn if one.is_retweet and one.post in made)
        # What is watched already costs nothing; of the rest it may take as many as fit into the new rules.
        new = [post for post, _ in wanted.most_common() if post not in watched]
        watched = (watched & wanted.keys()) | set(new[: CHANGE_RULES * PER_RULE])
        found += [one for one in turn if one.is_retweet and one.post in watched]
        made.update(one.post for one in turn if not one.is_retweet)
    return found


def _turns(happens: list[Happens]) -> Iterable[list[Happens]]:
    turn: list[Happens] = []
    due = CHANGE_MS
    for one in happens:
        while one.at >= due:
            yield turn
            turn, due = [], due + CHANGE_MS
        turn.append(one)
    yield turn


def true_rate(candidate: Candidate, now: int) -> float:
    """What is to be expected of a post whose number of retweets is known."""
    return candidate.retweets * (now - candidate.at + FLAT_MS) ** -(1 + DELAY_SHAPE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, metavar="N")
    options = parser.parse_args()
    policies: dict[str, Callable[[list[Happens]], list[Happens]]] = {
        name: lambda happens, score=score: caught(happens, score)  # type: ignore[misc]
        for name, score in choice.SCORES.items()
    }
    policies["true rates"] = lambda happens: caught(
        happens, true_rate, Counter(one.post for one in happens if one.is_retweet)
    )
    policies["foresight"] = foreseen
    half = options.hours * 1_800_000
    print(f"{'posts a second':<16}" + "".join(f"{name:>18}" for name in policies))
    for rate in options.rates:
        shares: dict[str, list[float]] = {name: [] for name in policies}
        for seed in range(options.rounds):
            happens = stream(seed, options.hours, rate / SCALE, retweets_per_post=1.0)
            true = sum(one.is_retweet and one.at >= half for one in happens)
            for name, policy in policies.items():
                shares[name].append(sum(one.at >= half for one in policy(happens)) / true)
        best = statistics.mean(shares["foresight"])
        row = [(statistics.mean(found), statistics.mean(found) / best) for found in shares.values()]
        print(f"{rate:<16g}" + "".join(f"{a:>10.1%} ({b:.0%})".rjust(18) for a, b in row), flush=True)
    print("Share of all true retweets, and in brackets of what foresight catches.")


if __name__ == "__main__":
    main()
