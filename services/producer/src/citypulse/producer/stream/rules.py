"""Feeds become X's rules, and X's rules are brought to what the feeds say.

A feed's rules are tagged `citypulse/<producer>/<feed>/<n>`; whatever carries another tag is somebody else's
and is left alone. Joined by a space operators are ANDed, so a feed's locations are ORed inside parentheses,
packed into the fewest rules that X's length allows.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from citypulse.producer import countries
from citypulse.producer.config import Config, Feed
from citypulse.producer.errors import BadInputError

MAX_LENGTH = 1024
"""Characters of a rule that X takes."""
MAX_RULES = 1000
"""Rules of one token."""

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


class Existing(NamedTuple):
    """A rule as it is on X."""

    id: str
    tag: str
    value: str


class Plan(NamedTuple):
    """What brings X's rules to what is configured."""

    delete: list[Existing]
    add: list[Rule]


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
    """The feed that a tag of ours names."""
    return tag.split("/")[2]


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
        return [Rule(f"{prefix}1", query, _named([], query))]
    suffix = f" ({query})" if query else ""
    room = MAX_LENGTH - len("()") - len(suffix)
    longest = max(terms, key=lambda term: len(term.value))
    if len(longest.value) > room:
        raise BadInputError(
            f"feeds.{feed.name}: {longest.value[:60]!r} and the query do not fit into a rule,"
            f" for which X takes {MAX_LENGTH} characters"
        )
    rules = []
    for n, group in enumerate(_pack(terms, room), 1):
        value = _OR.join(term.value for term in group)
        if suffix or len(group) > 1:
            value = f"({value})"
        rules.append(Rule(f"{prefix}{n}", value + suffix, _named(group, query)))
    return rules


def plan(existing: Iterable[Existing], wanted: Sequence[Rule], producer: str) -> Plan:
    """What to delete and what to add. Rules with other tags than this producer's are not touched.

    A rule that is there twice under one tag is there once afterwards.
    """
    missing = {(rule.tag, rule.value): rule for rule in wanted}
    delete = []
    for rule in existing:
        if rule.tag.startswith(tag_prefix(producer)) and not missing.pop((rule.tag, rule.value), None):
            delete.append(rule)
    return Plan(delete, list(missing.values()))


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


def _pack(terms: Sequence[_Term], room: int) -> list[list[_Term]]:
    """First fit, longest first: the fewest groups where terms are equally long, as countries are."""
    groups: list[list[_Term]] = []
    free: list[int] = []
    for term in sorted(terms, key=lambda term: (-len(term.value), term.value)):
        need = len(_OR) + len(term.value)
        for n, left in enumerate(free):
            if need <= left:
                groups[n].append(term)
                free[n] -= need
                break
        else:
            groups.append([term])
            free.append(room + len(_OR) - need)
    return groups
