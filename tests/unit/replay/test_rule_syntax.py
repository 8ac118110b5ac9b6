"""Rules are read as X reads them, printed so that they read back the same, and refused as X refuses them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.replay.rule_syntax import And, InvalidRuleError, Node, Not, Or, Term, parse, to_text

from .rules import UNHURRIED, rules


def test_and_binds_tighter_than_or() -> None:
    assert parse("a b OR c -d") == Or(
        (
            And((Term("keyword", "a"), Term("keyword", "b"))),
            And((Term("keyword", "c"), Not(Term("keyword", "d")))),
        )
    )
    assert parse("a (b OR c)") == And(
        (Term("keyword", "a"), Or((Term("keyword", "b"), Term("keyword", "c"))))
    )


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ('"hockey night"', Term("phrase", "hockey night")),
        (r'"say \"eh\""', Term("phrase", 'say "eh"')),
        ("#NHL", Term("#", "NHL")),
        ("@x", Term("@", "x")),
        ("$TWTR", Term("$", "TWTR")),
        ("from:x", Term("from", "x")),
        ('place:"new york city"', Term("place", "new york city")),
        ("place_country:CA", Term("place_country", "CA")),
        ("bounding_box:[-105.3 39.9  -105.1 40.0]", Term("bounding_box", "-105.3 39.9 -105.1 40.0")),
        ("point_radius:[2.35 48.86 16km]", Term("point_radius", "2.35 48.86 16km")),
        ("retweets_of_status_id:12", Term("retweets_of_tweet_id", "12")),
        ("Val-d'Or", Term("keyword", "Val-d'Or")),
        ("東京", Term("keyword", "東京")),
        ("😬", Term("keyword", "😬")),
    ],
)
def test_each_kind_of_term_is_read(text: str, term: Term) -> None:
    assert parse(text) == term


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no viable alternative at input '<EOF>' (at position 1)"),
        ("cat OR", "no viable alternative at input '<EOF>'"),
        ("OR cat", "no viable alternative at input 'OR' (at position 1)"),
        ("(cat", "missing ')' at '<EOF>' (at position 5)"),
        ("cat)", "missing EOF at ')' (at position 4)"),
        ('"cat', "no viable alternative"),
        ("[cat]", "no viable alternative at input '['"),
        ('""', "Empty quoted phrases"),
        ("cat and dog", "Ambiguous use of and as a keyword"),
        ("h:m", "Reference to invalid operator 'h' (at position 1)."),
        ("cat has:wings", "Reference to invalid operator 'has:wings' (at position 5)."),
        ("from:", "no viable alternative"),
        ("place_country:CAN", "Invalid value"),
        ("retweets_of_tweet_id:abc", "Invalid value"),
        ("cat sample:0", "Invalid value"),
        ("bounding_box:[-110 39 -100 45]", "Invalid value"),
        ("point_radius:[2.35 48.86 50mi]", "Invalid value"),
        ("point_radius:[2.35 48.86]", "Invalid value"),
        ("-cat", "Rules must contain a non-negation term (at position 1)"),
        ("cat OR -dog", "Rules must contain a non-negation term (at position 1)"),
        ("lang:en", "is/has/lang cannot be used as a standalone operator (at position 1)"),
        ("has:links OR is:retweet", "is/has/lang cannot be used as a standalone operator (at position 1)"),
        ("sample:10", "sample cannot be used as a standalone operator"),
        ("cat -sample:10", "sample cannot be negated"),
        ("cat is:nullcast", "is:nullcast must be negated"),
        ("(" * 500 + "cat" + ")" * 500, "nest deeper"),
        ("cat " + "-" * 1000 + "dog", "nest deeper"),
    ],
)
def test_what_x_refuses_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRuleError) as caught:
        parse(text)
    assert any(reason in detail for detail in caught.value.details), caught.value.details


@pytest.mark.parametrize(
    "text",
    [
        "cat has:geo",
        "place_country:CA OR place_country:GB",
        "(place_country:CA OR place_country:GB) (hockey OR #nhl) -is:retweet",
        "bounding_box:[-105.301758 39.964069 -105.178505 40.09455]",
        "retweets_of_tweet_id:1 OR retweets_of_tweet_id:2",
        "cat sample:10 lang:en -is:nullcast",
    ],
)
def test_what_x_accepts_is_accepted(text: str) -> None:
    assert to_text(parse(text)) == text


@UNHURRIED
@given(rules())
def test_a_printed_rule_reads_back_the_same(rule: Node) -> None:
    assert parse(to_text(rule)) == rule


@UNHURRIED
@given(st.text(alphabet='ab"()-[]: OR#@$\\é東', max_size=30))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse(text)
    except InvalidRuleError as error:
        assert error.details
    else:
        assert parse(to_text(rule)) == rule
