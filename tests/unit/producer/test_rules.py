"""Feeds become the fewest rules, and X's rules become those, touching nobody else's."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.producer import countries
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.errors import BadInputError
from citypulse.producer.stream import rules
from citypulse.producer.stream.rules import Existing, Rule

CODES = st.lists(st.sampled_from(countries.ALL), min_size=1, unique=True).map(tuple)
QUERIES = st.sampled_from(["", "cats", "cats OR dogs", "(from:a OR from:b) -is:reply", "x" * 600])
PLACES = st.lists(st.text("abcdefgh éüñ'", min_size=1, max_size=60).filter(str.strip), max_size=40).map(tuple)


def named(value: str) -> list[str]:
    return re.findall(r"place_country:(\w\w)", value)


@given(CODES, QUERIES)
def test_every_country_is_in_exactly_one_rule_and_no_rule_is_too_long(
    codes: tuple[str, ...], query: str
) -> None:
    made = rules.of_feed(Feed("all", codes, query=query), "main")
    assert sorted(code for rule in made for code in named(rule.value)) == sorted(codes)
    assert all(len(rule.value) <= rules.MAX_LENGTH for rule in made)
    assert all(rule.countries == set(named(rule.value)) for rule in made)
    assert all(rule.value.endswith(f" ({query})") for rule in made if query)


@given(CODES, QUERIES)
def test_countries_take_the_fewest_rules_there_can_be(codes: tuple[str, ...], query: str) -> None:
    made = rules.of_feed(Feed("all", codes, query=query), "main")
    room = rules.MAX_LENGTH - 2 - (len(f" ({query})") if query else 0)
    in_one = (room + len(" OR ")) // (len("place_country:CA") + len(" OR "))
    assert len(made) == math.ceil(len(codes) / in_one)


@given(CODES, PLACES, PLACES)
def test_locations_of_all_kinds_share_rules(
    codes: tuple[str, ...], places: tuple[str, ...], cities: tuple[str, ...]
) -> None:
    feed = Feed("all", codes, places, cities)
    made = rules.of_feed(feed, "main")
    assert all(len(rule.value) <= rules.MAX_LENGTH for rule in made)
    terms = [term for rule in made for term in rule.value.strip("()").split(" OR ")]
    assert len(terms) == len(set(terms))
    assert sorted(code for term in terms for code in named(term)) == sorted(codes)
    if len(made) > 1:
        # Two rules that would fit into one are one too many.
        lengths = sorted(len(rule.value) for rule in made)
        assert lengths[0] + lengths[1] > rules.MAX_LENGTH - len(" OR ")


def test_all_means_every_country() -> None:
    made = rules.of_feed(Feed("all", ("all",)), "main")
    assert sorted(code for rule in made for code in named(rule.value)) == sorted(countries.ALL)
    assert [rule.tag for rule in made] == [f"citypulse/main/all/{n}" for n in range(1, 6)]


def test_one_country_needs_no_parentheses_and_several_are_ored_inside_them() -> None:
    (one,) = rules.of_feed(Feed("all", ("CA",)), "main")
    (two,) = rules.of_feed(Feed("all", ("CA", "GB"), query="cats OR dogs"), "main")
    assert one == Rule(
        "citypulse/main/all/1", "place_country:CA", frozenset({"CA"}), ("place_country:CA",), ""
    )
    assert two.value == "(place_country:CA OR place_country:GB) (cats OR dogs)"


def test_cities_name_their_country_where_their_name_does_not() -> None:
    cities = ("CA:36775d842cbec509", "CA:Val-d'Or", "London")
    (rule,) = rules.of_feed(Feed("some", cities=cities), "main")
    assert sorted(rule.value.strip("()").replace("(", "").split(" OR ")) == sorted(
        ["place:36775d842cbec509", 'place:"Val-d\'Or" place_country:CA)', "place:London"]
    )
    assert rule.countries == frozenset()


def test_a_query_alone_is_a_rule_and_names_its_country() -> None:
    (rule,) = rules.of_feed(Feed("q", query="cats place_country:CA -place_country:US"), "main")
    assert rule.value == "cats place_country:CA -place_country:US"
    assert rule.countries == {"CA"}


def test_what_does_not_fit_into_a_rule_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"feeds\.long\.query has 1025"):
        rules.of_feed(Feed("long", query="x" * 1025), "main")
    with pytest.raises(BadInputError, match=r"feeds\.long: 'place_country:CA' and the query"):
        rules.of_feed(Feed("long", ("CA",), query="x" * 1010), "main")


def test_two_feeds_of_the_same_rule_are_refused_before_x_does() -> None:
    config = Config(feeds=(Feed("a", ("CA",)), Feed("b", ("CA",))), journal=Journal("j"))
    with pytest.raises(BadInputError, match="feeds: a and b ask for the same rule"):
        rules.configured(config)


def test_more_rules_than_x_gives_are_refused() -> None:
    feeds = tuple(Feed(f"f{n}", query=f"word{n}") for n in range(rules.MAX_RULES + 1))
    with pytest.raises(BadInputError, match="1001 rules"):
        rules.configured(Config(feeds=feeds, journal=Journal("j")))


TAGS = st.sampled_from(
    [f"citypulse/main/{feed}/{n}" for feed in "ab" for n in (1, 2)]
    + ["citypulse/main2/a/1", "citypulse/mai/a/1", "mine", ""]
)
EXISTING = st.lists(st.tuples(TAGS, st.sampled_from(["x", "y", "z"])), max_size=12).map(
    lambda found: [Existing(str(n), tag, value) for n, (tag, value) in enumerate(found)]
)
WANTED = st.lists(
    st.tuples(TAGS.filter(lambda tag: tag.startswith("citypulse/main/")), st.sampled_from(["x", "y", "z"])),
    max_size=6,
    unique_by=lambda pair: pair[1],
).map(lambda pairs: [Rule(tag, value, frozenset()) for tag, value in pairs])


@given(EXISTING, WANTED)
def test_a_plan_makes_x_hold_what_is_wanted_and_leaves_the_rest_alone(
    existing: list[Existing], wanted: list[Rule]
) -> None:
    plan = rules.plan(existing, wanted, "main")
    after = [(rule.tag, rule.value) for rule in existing if rule not in plan.delete]
    after += [(rule.tag, rule.value) for rule in plan.add]
    ours = [pair for pair in after if pair[0].startswith("citypulse/main/")]
    assert sorted(ours) == sorted((rule.tag, rule.value) for rule in plan.rules)
    assert [(rules.feed_of(rule.tag), rule.value) for rule in plan.rules] == [
        (rules.feed_of(rule.tag), rule.value) for rule in wanted
    ]
    assert all(rule.tag.startswith("citypulse/main/") for rule in plan.delete)
    again = [Existing(str(n), tag, value) for n, (tag, value) in enumerate(after)]
    assert rules.plan(again, wanted, "main")[:2] == ([], [])


@given(EXISTING, WANTED)
def test_no_tag_means_two_rules_while_old_and_new_ones_are_both_there(
    existing: list[Existing], wanted: list[Rule]
) -> None:
    plan = rules.plan(existing, wanted, "main")
    there = {rule.tag for rule in existing}
    assert not there & {rule.tag for rule in plan.add}
    assert len({rule.tag for rule in plan.add}) == len(plan.add)


def test_a_rule_that_is_there_keeps_its_tag_since_x_takes_no_rule_twice() -> None:
    wanted = [Rule("citypulse/main/a/1", "x", frozenset()), Rule("citypulse/main/a/2", "y", frozenset())]
    plan = rules.plan([Existing("7", "citypulse/main/a/1", "y")], wanted, "main")
    assert plan.delete == []
    assert [(rule.tag, rule.value) for rule in plan.add] == [("citypulse/main/a/2", "x")]
    assert [(rule.tag, rule.value) for rule in plan.rules] == [
        ("citypulse/main/a/2", "x"),
        ("citypulse/main/a/1", "y"),
    ]


def test_only_what_is_in_the_way_is_deleted_before_rules_are_added() -> None:
    old, moved = Existing("1", "citypulse/main/a/1", "x"), Existing("2", "citypulse/main/a/2", "y")
    wanted = [Rule("citypulse/main/b/1", "y", frozenset()), Rule("citypulse/main/b/2", "z", frozenset())]
    plan = rules.plan([old, moved], wanted, "main")
    assert rules.first_to_delete(plan, 2) == [moved]
    assert rules.first_to_delete(plan, rules.MAX_RULES) == [old, moved]


@given(CODES, PLACES, st.integers(128, 1024))
def test_queries_are_as_short_as_search_takes_and_cover_the_same_places(
    codes: tuple[str, ...], places: tuple[str, ...], longest: int
) -> None:
    for rule in rules.of_feed(Feed("all", codes, places, query="cats"), "main"):
        made = rules.queries(rule, longest)
        assert all(len(query) <= longest for query in made)
        assert all(query.endswith(" (cats)") for query in made)
        terms = [term for query in made for term in query.removesuffix(" (cats)").strip("()").split(" OR ")]
        assert sorted(terms) == sorted(rule.terms)


def test_a_rule_that_is_short_enough_or_a_query_alone_is_asked_as_it_is() -> None:
    (rule,) = rules.of_feed(Feed("q", query="x" * 600), "main")
    assert rules.queries(rule, 512) == [rule.value]
    (rule,) = rules.of_feed(Feed("all", ("CA", "GB")), "main")
    assert rules.queries(rule, 512) == [rule.value]
