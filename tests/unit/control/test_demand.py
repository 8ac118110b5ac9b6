"""What `make demo` may be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.control.demand import ALL_COUNTRIES, countries, duration_s, from_environment
from citypulse.control.faults import Exit, Fault


def test_nothing_asked_means_a_fresh_generated_demo() -> None:
    demand = from_environment({})
    assert (demand.tweets, demand.countries, demand.rate, demand.duration_s) == (None, (), None, None)
    assert not demand.keep


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("RATE", "abc"),
        ("RATE", "0"),
        ("RATE", "-3"),
        ("RATE", "nan"),
        ("RATE", "1e9"),
        ("DURATION", "0"),
        ("DURATION", "3d"),
        ("DURATION", "soon"),
        ("DURATION", "0.0001s"),
        ("DURATION", "25h"),
        ("COUNTRIES", "Canada"),
        ("COUNTRIES", "CA G1"),
        ("COUNTRIES", "CA XX"),
        ("COUNTRIES", "UK"),
        ("SHIFT", "later"),
        ("SHIFT", "now"),
        ("KEEP", "yes"),
        ("TWEETS", "/no/such/file"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_value_and_ends_with_2(key: str, value: str) -> None:
    with pytest.raises(Fault) as caught:
        from_environment({key: value})
    assert caught.value.code == Exit.BAD_INPUT
    assert caught.value.sentence.startswith(f"{key}={value} cannot be used: ")


def test_an_empty_file_of_tweets_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(Fault, match="the file is empty"):
        from_environment({"TWEETS": str(empty)})


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("3m", 180), ("1.5h", 5400), ("", None)]
)
def test_durations_are_seconds_minutes_or_hours(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


@given(
    st.lists(st.sampled_from(["ca", "GB", "fr", "JP", "ca"]), min_size=1), st.sampled_from([" ", ",", ", "])
)
def test_countries_are_upper_case_and_stand_once_in_the_order_given(codes: list[str], between: str) -> None:
    assert countries(between.join(codes)) == tuple(dict.fromkeys(code.upper() for code in codes))


def test_all_countries_is_a_word_of_its_own() -> None:
    assert countries("all") == countries("ALL") == ALL_COUNTRIES


def test_the_country_that_is_meant_is_named() -> None:
    with pytest.raises(Fault, match="GB is meant"):
        countries("UK")


def test_a_file_of_tweets_has_its_own_length(tmp_path: Path) -> None:
    tweets = tmp_path / "tweets.jsonl"
    tweets.write_text("{}")
    with pytest.raises(Fault, match="DURATION=3m cannot be used"):
        from_environment({"TWEETS": str(tweets), "DURATION": "3m"})
