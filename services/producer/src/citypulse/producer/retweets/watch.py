"""Keeps X's rules on the posts whose retweets are wanted most, beside the stream.

It reads the journal as the sender does, so that an outage of Kafka does not keep it from new posts, and
changes the rules every some seconds: new rules first, then the old ones, as X's limits allow. What X has is
looked at again after every trouble, and when the feeds' rules were changed.
"""

import threading
from pathlib import Path

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import RefusedError
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.retweets import choice, packing, rotation
from citypulse.producer.retweets.candidates import Candidates
from citypulse.producer.retweets.pacing import Pacing
from citypulse.producer.stream.client import BrokenError, HttpError, XClient
from citypulse.producer.stream.rules import (
    MAX_RULES,
    RETWEETS,
    Existing,
    Rule,
    is_for_retweets,
    tag_prefix,
)
from citypulse.producer.stream.subscription import Subscription

log = structlog.get_logger()

RECALL_SECONDS = 60.0
"""How long the first change waits for what earlier runs knew; without brokers it goes on without."""
REFUSED_SECONDS = 900.0
"""After X has refused a rule for good; the account, or X's limits, may change."""
LOOK_SECONDS = 600.0
"""Somebody else may have changed what X has; so often it is looked at although all goes well."""
_READ_RECORDS = 1000
_READ_BYTES = 4 << 20
_WAIT_SECONDS = 0.5
_FORGET_AT = 1.1
"""Of the posts that may be known: from there on the worst are forgotten, a tenth at a time."""


class Watch:
    """The thread that does it."""

    def __init__(
        self,
        config: Config,
        client: XClient,
        subscription: Subscription,
        committer: Committer,
        candidates: Candidates,
        recalled: threading.Event,
        stopping: threading.Event,
    ) -> None:
        """Watch for a producer.

        Args:
            config: of the producer.
            client: not the stream's; its clock may be.
            subscription: what else is asked of X.
            committer: whose journal is read.
            candidates: posts that may be watched.
            recalled: set once candidates of earlier runs are there.
            stopping: ends it.
        """
        self._config, self._limits = config, config.retweets
        self._client, self._subscription = client, subscription
        self._committer, self._candidates = committer, candidates
        self._recalled, self._stopping = recalled, stopping
        self._score = choice.SCORES[self._limits.choice]
        self._now = client.clock.now
        self.pacing = Pacing(self._limits, lambda: self._now() / 1000)
        client.session.hooks["response"].append(self.pacing.answered)
        self._tag = f"{tag_prefix(config.name)}{RETWEETS}/"
        self._there: dict[str, Existing] = {}
        """Rules of ours that X has, by id."""
        self._others = 0
        self._seen: int | None = None
        self._looked = 0.0
        self._feeds: frozenset[str] = frozenset()
        self._due = 0.0
        self._watch_gauges()

    def run(self, sequence: int) -> None:
        """Watch until stopped.

        Args:
            sequence: of the journal, from which on posts may be new.
        """
        reader = Reader(Path(self._config.journal.dir), sequence, lambda *_: None)
        began = self._client.clock.monotonic()
        try:
            while not self._stopping.is_set():
                records = reader.read(self._committer.durable, _READ_RECORDS, _READ_BYTES)
                for record in records:
                    self._candidates.see(record.payload)
                now = self._client.clock.monotonic()
                if now >= self._due:
                    self._due = now + self._turn(self._recalled.is_set() or now - began > RECALL_SECONDS)
                if not records:
                    self._committer.wait_beyond(reader.sequence, _WAIT_SECONDS)
        finally:
            reader.close()

    def _turn(self, may_change: bool = True) -> float:
        """One change, where it may be, or a look at what X has; seconds until the next."""
        if self._subscription.stale:
            # The feeds' rules come first.
            return _WAIT_SECONDS
        if not may_change and self._seen == self._subscription.changes:
            return _WAIT_SECONDS
        if may_change and (wait := self.pacing.wait(2)):
            metrics.retweet_rule_changes.labels("rate_limited").inc()
            log.info("retweets: X's limit of changes is reached", again_in_seconds=round(wait, 1))
            return wait
        try:
            with self._subscription.undisturbed():
                if not may_change:
                    self._look()
                    return _WAIT_SECONDS
                self.change()
        except RefusedError as error:
            self._seen = None
            metrics.retweet_rule_changes.labels("refused").inc()
            log.warning(
                "retweets: X does not take the rules", reason=str(error), again_in_seconds=REFUSED_SECONDS
            )
            return REFUSED_SECONDS
        except (HttpError, BrokenError) as error:
            self._seen = None
            metrics.retweet_rule_changes.labels("failed").inc()
            log.warning("retweets: the rules could not be changed", reason=str(error))
        return self._limits.change_seconds

    def change(self) -> None:
        """Have X watch what is best now, or come nearer to it.

        Raises:
            RefusedError: X does not take a rule.
            HttpError, BrokenError: it may do better later. X's rules are looked at anew then.
        """
        looked = self._client.clock.monotonic() - self._looked
        if self._seen != self._subscription.changes or looked > LOOK_SECONDS:
            self._look()
        room = MAX_RULES - self._others - len(self._there)
        budget = max(min(self._limits.rules, MAX_RULES - self._others - self._limits.change_rules), 0)
        change = rotation.plan(
            {rule.id: packing.posts(rule.value) for rule in self._there.values()},
            self._choose(budget * packing.PER_RULE),
            budget,
            self._limits.change_rules,
        )
        if not change:
            return
        if len(change.add) > room:
            # The old ones first; what both have is not heard of for a moment.
            if len(change.add) > room + len(change.delete):
                metrics.retweet_rule_changes.labels("no_room").inc()
                return
            self._delete(change.delete)
            self._add(change.add)
        else:
            self._add(change.add)
            self._delete(change.delete)
        metrics.retweet_rule_changes.labels("done").inc()
        log.debug("retweets: rules changed", added=len(change.add), deleted=len(change.delete))

    def _look(self) -> None:
        existing = self._client.rules()
        ours = [rule for rule in existing if is_for_retweets(rule, self._config.name)]
        self._there = {rule.id: rule for rule in ours}
        self._others = len(existing) - len(ours)
        self._seen = self._subscription.changes
        self._looked = self._client.clock.monotonic()
        self._candidates.watched(post for rule in ours for post in packing.posts(rule.value))

    def _choose(self, most: int) -> list[int]:
        feeds = frozenset(feed.name for feed in self._subscription.config.feeds)
        if feeds != self._feeds:
            self._feeds = feeds
            self._candidates.only(feeds)
        candidates, now = self._candidates.all(), self._now()
        if len(candidates) > self._limits.known * _FORGET_AT:
            kept = set(choice.best(candidates, now, self._limits.known, self._score))
            self._candidates.forget(candidates.keys() - kept)
        return choice.best(candidates, now, most, self._score)

    def _add(self, groups: list[tuple[int, ...]]) -> None:
        if not groups:
            return
        used = {rule.tag for rule in self._there.values()}
        free = (tag for n in range(1, 2 * MAX_RULES) if (tag := f"{self._tag}{n}") not in used)
        added = [
            Rule(tag, packing.value(posts), frozenset()) for tag, posts in zip(free, groups, strict=False)
        ]
        self.pacing.asks()
        self._there |= {rule.id: rule for rule in self._client.add(added)}

    def _delete(self, ids: list[str]) -> None:
        if not ids:
            return
        self.pacing.asks()
        self._client.delete([self._there[rule] for rule in ids])
        for rule in ids:
            del self._there[rule]

    def _watch_gauges(self) -> None:
        def watched() -> int:
            return len({post for rule in list(self._there.values()) for post in packing.posts(rule.value)})

        def let_go() -> float:
            known = len(self._candidates)
            return 1 - min(watched() / known, 1.0) if known else 0.0

        metrics.retweet_rules.set_function(lambda: len(self._there))
        metrics.originals_watched.set_function(watched)
        metrics.originals_candidates.set_function(lambda: len(self._candidates))
        metrics.originals_let_go_share.set_function(let_go)
