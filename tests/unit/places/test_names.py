"""Names are compared without what people leave out, and a full name says where a place lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.places.names import comparable, within


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Montréal", "MONTREAL"),
        ("St. John's", "St John\u2019s"),
        ("Val-d'Or", "Val d\u2019Or"),
        ("Trois-Rivières", "Trois Rivieres"),
        ("Москва", "москва"),
        ("Köln", "Ko\u0308ln"),
    ],
)
def test_the_same_name_in_other_letters(one: str, other: str) -> None:
    assert comparable(one) == comparable(other) != ""


@pytest.mark.parametrize(("one", "other"), [("London", "Londonderry"), ("かき", "がき"), ("東京", "京都")])
def test_other_names_stay_apart(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


@given(st.text())
def test_what_is_comparable_stays_so(name: str) -> None:
    once = comparable(name)
    assert comparable(once) == once


@pytest.mark.parametrize(
    ("full_name", "where"),
    [
        ("Scarborough, Toronto", "Toronto"),
        ("London, England", "England"),
        ("Soho, London, England", "London"),
        ("新宿、東京", "東京"),
        ("وسط البلد، القاهرة", "القاهرة"),
        ("Malawi", ""),
        ("", ""),
        ("Toronto, ", ""),
    ],
)
def test_a_full_name_says_what_a_place_lies_in(full_name: str, where: str) -> None:
    assert within(full_name) == where
