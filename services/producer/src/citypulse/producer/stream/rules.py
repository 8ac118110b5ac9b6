"""Feeds become X's rules, and X's rules are brought to what the feeds say.

A feed's rules are tagged `citypulse/<producer>/<feed>/<n>`; whatever carries another tag is somebody else's
and is left alone. Joined by a space operators are ANDed, so a feed's locations are ORed inside parentheses,
packed into the fewest rules that X's length allows.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from citypulse.producer import countries
from citypulse.producer.config import Config, Feed
from citypulse.producer.errors import BadInputError

MAX_LENGTH = 1024
"""Characters of a rule that X takes."""
MAX_RULES = 1000
"""Rules of one token."""
RETWEETS = "+retweets"
"""Stands in tags where a feed's name does: of rules that bring the retweets of posts. No feed begins so."""

_Item = TypeVar("_Item")

_OR = " OR "
_PLACE_ID = re.compile(r"[0-9a-f]{16}")
_COUNTRY = re.compile(r"(?<!-)\bplace_country:([A-Z]{2})\b")
_CITY = re.compile(r"([A-Z]{2}):(.+)", re.DOTALL)


class Rule(NamedTuple):
    """A rule as it is to be on X."""

    tag: str
    value: str
    countries: frozenset[str]
    """The countries that it names; empty where a match can be in a country that it does not name."""
    terms: tuple[str, ...] = ()
    """Its locations, which are ORed; none where it is a query alone."""
    query: str = ""
    """What it matches besides."""


class Existing(NamedTuple):
    """A rule as it is on X."""

    id: str
    tag: str
    value: str


class Plan(NamedTuple):
    """What brings X's rules to what is configured."""

    delete: list[Existing]
    add: list[Rule]
    rules: list[Rule]
    """All that are wanted, with the tags that they have on X afterwards."""


class _Term(NamedTuple):
    value: str
    country: str | None


def tag_prefix(producer: str) -> str:
    """How the tags of a producer's rules begin."""
    return f"citypulse/{producer}/"


def configured(config: Config) -> list[Rule]:
    """The rules that the feeds ask for.

    Raises:
        BadInputError: a feed does not fit X's limits, or two feeds would be the same rule.
    """
    rules = [rule for feed in config.feeds for rule in of_feed(feed, config.name)]
    if len(rules) > MAX_RULES:
        raise BadInputError(
            f"feeds need {len(rules)} rules, but X gives {MAX_RULES} to a token: spread them over several"
        )
    seen: dict[str, Rule] = {}
    for rule in rules:
        other = seen.setdefault(rule.value, rule)
        if other is not rule:
            raise BadInputError(
                f"feeds: {feed_of(other.tag)} and {feed_of(rule.tag)} ask for the same rule"
                f" {rule.value[:60]!r}, which X refuses; make them one feed"
            )
    return rules


def feed_of(tag: str) -> str:
    """The feed that a tag of ours names, or `+retweets`."""
    return tag.split("/")[2]


def is_feed(name: str) -> bool:
    """Whether what a tag names is a feed."""
    return not name.startswith("+")


def is_for_retweets(rule: Existing, producer: str) -> bool:
    """Whether it is this producer's, and brings retweets."""
    return rule.tag.startswith(f"{tag_prefix(producer)}{RETWEETS}/")


def of_feed(feed: Feed, producer: str) -> list[Rule]:
    """The fewest rules for a feed."""
    query = feed.query.strip()
    prefix = f"{tag_prefix(producer)}{feed.name}/"
    terms = _terms(feed)
    if not terms:
        if len(query) > MAX_LENGTH:
            raise BadInputError(
                f"feeds.{feed.name}.query has {len(query)} characters, but X takes {MAX_LENGTH}"
            )
        return [Rule(f"{prefix}1", query, _named([], query), (), query)]
    room = _room(query, MAX_LENGTH)
    longest = max(terms, key=lambda term: len(term.value))
    if len(longest.value) > room:
        raise BadInputError(
            f"feeds.{feed.name}: {longest.value[:60]!r} and the query do not fit into a rule,"
            f" for which X takes {MAX_LENGTH} characters"
        )
    rules = []
    for n, group in enumerate(_pack(terms, room, lambda term: term.value), 1):
        values = tuple(term.value for term in group)
        rules.append(Rule(f"{prefix}{n}", _value(values, query), _named(group, query), values, query))
    return rules


def queries(rule: Rule, longest: int) -> list[str]:
    """What search and counts are asked for a rule's posts: they take shorter queries than the stream.

    A location that does not fit with the query is a query all the same, which X will refuse.

    Args:
        rule: as `of_feed` makes it.
        longest: characters that X takes from the account.
    """
    if len(rule.value) <= longest or not rule.terms:
        return [rule.value]
    return [_value(group, rule.query) for group in _pack(rule.terms, _room(rule.query, longest), str)]


def plan(
    existing: Iterable[Existing], wanted: Sequence[Rule], producer: str, *, retweets: bool = False
) -> Plan:
    """What to delete and what to add. Rules with other tags than this producer's are not touched.

    A rule that is on X under a tag of its feed keeps that tag, whatever its number: X takes no rule twice, so
    another tag could only be given at the price of a moment without it. For the same reason a new rule gets a
    number that no rule of its feed has now.

    Args:
        existing: what X has.
        wanted: the feeds' rules.
        producer: whose they are.
        retweets: whether its rules that bring retweets stay; whoever rotates them knows what they are.
    """
    by_value = {rule.value: rule for rule in wanted}
    kept: dict[str, str] = {}
    delete = []
    used = set()
    for there in existing:
        if not there.tag.startswith(tag_prefix(producer)):
            continue
        if retweets and is_for_retweets(there, producer):
            continue
        used.add(there.tag)
        found = by_value.get(there.value)
        if found and there.value not in kept and feed_of(there.tag) == feed_of(found.tag):
            kept[there.value] = there.tag
        else:
            delete.append(there)
    rules = []
    for rule in wanted:
        tag = kept.get(rule.value)
        if tag is None:
            tag = _unused(rule.tag, used)
            used.add(tag)
        rules.append(rule._replace(tag=tag))
    return Plan(delete, [rule for rule in rules if rule.value not in kept], rules)


def in_the_way(existing: Sequence[Existing], plan: Plan, producer: str) -> list[Existing]:
    """Rules that bring retweets and have to go, so that the feeds' new ones can come before old ones go."""
    watching = [rule for rule in existing if is_for_retweets(rule, producer) and rule not in plan.delete]
    return watching[: max(len(existing) + len(plan.add) - MAX_RULES, 0)]


def first_to_delete(plan: Plan, count: int) -> list[Existing]:
    """What must go before rules can be added; the rest goes afterwards, so that nothing is missed.

    X takes no rule that it has under another tag, and no more than `MAX_RULES`.

    Args:
        plan: what is to be done.
        count: rules that X has for the token, whoever made them.
    """
    if count + len(plan.add) > MAX_RULES:
        return plan.delete
    added = {rule.value for rule in plan.add}
    return [rule for rule in plan.delete if rule.value in added]


def _unused(tag: str, used: set[str]) -> str:
    stem, _, number = tag.rpartition("/")
    n = int(number)
    while f"{stem}/{n}" in used:
        n += 1
    return f"{stem}/{n}"


def _room(query: str, longest: int) -> int:
    return longest - len("()") - (len(f" ({query})") if query else 0)


def _value(terms: Sequence[str], query: str) -> str:
    value = _OR.join(terms)
    if query or len(terms) > 1:
        value = f"({value})"
    return f"{value} ({query})" if query else value


def _terms(feed: Feed) -> list[_Term]:
    codes = countries.ALL if "all" in feed.countries else feed.countries
    terms = [_Term(f"place_country:{code}", code) for code in codes]
    terms += [_Term(_place(place), None) for place in feed.places]
    for city in feed.cities:
        if match := _CITY.fullmatch(city):
            # A place id is one place in one country; a name is namesakes in many.
            place = _place(match[2])
            exact = _PLACE_ID.fullmatch(match[2])
            terms.append(_Term(place if exact else f"({place} place_country:{match[1]})", match[1]))
        else:
            terms.append(_Term(_place(city), None))
    return list(dict.fromkeys(terms))


def _named(group: Sequence[_Term], query: str) -> frozenset[str]:
    locations = {term.country for term in group}
    if locations and None not in locations:
        return frozenset(country for country in locations if country)
    return frozenset(_COUNTRY.findall(query))


def _place(place: str) -> str:
    if _PLACE_ID.fullmatch(place) or re.fullmatch(r"\w+", place):
        return f"place:{place}"
    return 'place:"{}"'.format(place.replace('"', ""))


def _pack(terms: Sequence[_Item], room: int, text: Callable[[_Item], str]) -> list[list[_Item]]:
    """First fit, longest first: the fewest groups where terms are equally long, as countries are."""
    groups: list[list[_Item]] = []
    free: list[int] = []
    for term in sorted(terms, key=lambda term: (-len(text(term)), text(term))):
        need = len(_OR) + len(text(term))
        for n, left in enumerate(free):
            if need <= left:
                groups[n].append(term)
                free[n] -= need
                break
        else:
            groups.append([term])
            free.append(room + len(_OR) - need)
    return groups
