"""What is asked of X: the feeds' rules, now and after a change. Rules of others are never touched."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError, RefusedError
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.file import Wanted
from citypulse.producer.routes import Routes
from citypulse.producer.stream import rules
from citypulse.producer.stream.client import BrokenError, HttpError, XClient
from citypulse.producer.stream.rules import Plan, Rule

log = structlog.get_logger()

CHANGEABLE = ("feeds", "spend")
"""Sections that a running producer takes anew; whoever uses the others has been made with them."""


class Subscription:
    """The rules that are wanted, and have been brought to X; for the stream's thread and the main one."""

    def __init__(
        self, config: Config, routes: Routes, book: GapBook, interrupt: Callable[[], None] = lambda: None
    ) -> None:
        """Begin with the rules of a configuration, which are not on X yet.

        Args:
            config: whose feeds are wanted.
            routes: learn what tags mean before X gives them.
            book: learns what is wanted.
            interrupt: ends the connection that there is; the next one brings the rules again.
        """
        self._routes = routes
        self._book = book
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self.config = config
        self.rules = rules.configured(config)
        """With the tags that they have on X, once they have been brought there."""
        self.stale = True
        """Whether X may have other rules than these."""
        self.changes = 0
        """How often X's rules were looked at or changed here."""

    @property
    def wanted(self) -> Wanted:
        """What the book of gaps is to know of it."""
        return wanted(self.config, self.rules)

    def bring(self, client: XClient) -> None:
        """Have the rules on X. Raises as `XClient` does."""
        with self._lock:
            plan, count = self._plan(client, self.config)
            self._routes.change(self.config, plan.rules, client.clock.now())
            carry_out(client, plan, count)
            self.rules, self.stale = plan.rules, False
            _log(plan)

    def change(self, config: Config, client: XClient) -> None:
        """Ask for other feeds while the stream goes on: new rules first, so that nothing is missed.

        Args:
            config: the new configuration.
            client: not the stream's.

        Raises:
            BadInputError: it cannot be, or differs in what cannot change while running.
            RefusedError: X does not take its rules.
            HttpError, BrokenError: X gives no answer.
            OSError: the disk takes no note of it. In all of these cases the old one stays.
        """
        if keys := fixed_changes(self.config, config):
            raise BadInputError(
                f"{', '.join(keys)} cannot change while running: restart the producer, or change only"
                " feeds and spend"
            )
        rules.configured(config)
        with self._lock:
            plan, count = self._plan(client, config)
            first = rules.first_to_delete(plan, count)
            gone = {rule.value for rule in first}
            if new := [rule for rule in plan.add if rule.value not in gone]:
                client.add(new, dry_run=True)
            # Tags are known before X gives them to the first post.
            self._routes.change(config, plan.rules, client.clock.now())
            before = self.config, self.rules
            self.config, self.rules, self.stale = config, plan.rules, True
            began = client.clock.earliest()
            try:
                carry_out(client, plan, count)
                self.stale = False
            except (HttpError, BrokenError, RefusedError) as error:
                if not _is_there(client, plan):
                    self.config, self.rules = before
                    self._routes.change(*before, client.clock.now())
                    if first:
                        # Rules that stay wanted are not on X since then, and the stream would not show it.
                        self._book.lost("rules", began)
                        self._interrupt()
                    raise
                log.warning("rules: old ones are left on X for now", reason=str(error))
            try:
                self._book.wants(self.wanted, client.clock.latest())
            except OSError as error:
                # The next connection is not read before it is noted.
                log.warning("rules: the book of gaps cannot take note of them", reason=str(error))
                self._interrupt()
            _log(plan)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While this lasts, X's rules are not changed here."""
        with self._lock:
            yield

    def _plan(self, client: XClient, config: Config) -> tuple[Plan, int]:
        """What to do, and how many rules X has; there is room for the feeds' rules, where others leave it."""
        existing = client.rules()
        self.changes += 1
        plan = rules.plan(existing, rules.configured(config), config.name, retweets=config.retweets.enabled)
        if room := rules.in_the_way(existing, plan, config.name):
            client.delete(room)
        return plan, len(existing) - len(room)


def wanted(config: Config, of: list[Rule]) -> Wanted:
    """Rules as the book of gaps keeps them: what they cover, and what search is to be asked for the same."""
    longest = config.x.search_characters
    codes = [rule.countries for rule in of]
    return Wanted(
        feeds=tuple(sorted({rules.feed_of(rule.tag) for rule in of})),
        countries=tuple(sorted(frozenset[str]().union(*codes))) if all(codes) else (),
        queries=tuple((rule.tag, query) for rule in of for query in rules.queries(rule, longest)),
    )


def carry_out(client: XClient, plan: Plan, count: int) -> None:
    """Do on X what a plan says, deleting last where X allows it.

    Args:
        client: raises as it does.
        plan: what is to be done.
        count: rules that X has for the token.
    """
    first = rules.first_to_delete(plan, count)
    if first:
        client.delete(first)
    if plan.add:
        client.add(plan.add)
    if rest := [rule for rule in plan.delete if rule not in first]:
        client.delete(rest)
    metrics.rules.set(len(plan.rules))


def fixed_changes(old: Config, new: Config) -> list[str]:
    """Keys, as `section.key`, that differ and cannot change while running."""
    before, after = msgspec.to_builtins(old), msgspec.to_builtins(new)
    found = []
    for section in before:
        if section in CHANGEABLE or before[section] == after[section]:
            continue
        if isinstance(before[section], dict):
            found += [
                f"{section}.{key}" for key in before[section] if before[section][key] != after[section][key]
            ]
        else:
            found.append(section)
    return found


def _is_there(client: XClient, plan: Plan) -> bool:
    """Whether X has all that a plan adds; where it gives no answer, it is taken not to."""
    try:
        values = {rule.value for rule in client.rules()}
    except (HttpError, BrokenError):
        return False
    return all(rule.value in values for rule in plan.rules)


def _log(plan: Plan) -> None:
    log.info("rules: as configured", rules=len(plan.rules), deleted=len(plan.delete), added=len(plan.add))
