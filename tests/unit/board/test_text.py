"""Variables in a query, as Grafana puts them in."""

from __future__ import annotations

import pytest

from citypulse.board.text import UnknownError, Whole, names, replace

VALUES = {
    "feed": "all",
    "city": ["CA:1", "CA:2"],
    "name": ["Val-d'Or", "St. John's"],
    "country": Whole("*"),
    "top": ["CA:9"],
    "default": Whole("${top:sqlstring}"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("feed = ${feed:sqlstring}", "feed = 'all'"),
        ("$feed and ${feed}", "all and all"),
        ("IN (${city:sqlstring})", "IN ('CA:1','CA:2')"),
        ("IN (${name:sqlstring})", "IN ('Val-d''Or','St. John''s')"),
        ("${city}", "{CA:1,CA:2}"),
        ("${city:raw}", "CA:1,CA:2"),
        ("${name:regex}", r"(Val-d'Or|St\. John's)"),
        ("${feed:regex}", "all"),
        # What stands for all values is taken as it is, whatever the format.
        ("'${country:raw}' ${country:sqlstring}", "'*' *"),
        ("IN (${default:sqlstring})", "IN ('CA:9')"),
    ],
)
def test_formats(text: str, expected: str) -> None:
    assert replace(text, VALUES) == expected


def test_a_name_without_a_value_is_an_error() -> None:
    with pytest.raises(UnknownError, match=r"\$\{town\} has no value"):
        replace("${town:sqlstring}", VALUES)


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(UnknownError, match="percentencode"):
        replace("${feed:percentencode}", VALUES)


def test_names() -> None:
    assert names("SELECT $a FROM ${b}.t WHERE x = ${c:sqlstring}") == {"a", "b", "c"}
