"""What a variable may be, and what it is: from rows of its query, or from the list that it brings."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from citypulse.board.files import Option, Variable, VariableQuery
from citypulse.board.text import ALL, Value, Whole, replace


class Choice(NamedTuple):
    """One value, and what is shown for it."""

    value: str
    text: str


def of_rows(
    variable: Variable, rows: Sequence[Sequence[str | None]], values: Mapping[str, Value]
) -> list[Choice]:
    """What a query gave, as the variable's regular expression leaves it, sorted by what is shown.

    Args:
        variable: with the query.
        rows: value, and what is shown for it where there is a second column.
        values: of the variables before it, which its expression may name.
    """
    pattern = _pattern(replace(variable.regex, values)) if variable.regex else None
    found: dict[str, Choice] = {}
    for row in rows:
        value = row[0] or ""
        shown = (row[1] if len(row) > 1 else None) or value
        if pattern is not None:
            match = pattern.search(value)
            if match is None:
                continue
            if match.groups():
                value = shown = match[1] or ""
        found.setdefault(value, Choice(value, shown))
    return sorted(found.values(), key=lambda one: (one.text.casefold(), one.value))


def of_list(variable: Variable) -> list[Choice]:
    """The values that a variable brings itself: `Shown : value`, separated by commas."""
    assert isinstance(variable.query, str)  # noqa: S101 - only such variables come here
    parts = [one.strip().rpartition(" : ") for one in variable.query.split(",")]
    return [Choice(value.strip(), (shown or value).strip()) for shown, _, value in parts]


def query(variable: Variable, values: Mapping[str, Value]) -> str | None:
    """The query of a variable's values; None where it brings them itself."""
    return replace(variable.query.query, values) if isinstance(variable.query, VariableQuery) else None


def chosen(variable: Variable, choices: Sequence[Choice], wanted: Sequence[str] | None) -> Value:
    """The value that stands in queries.

    Args:
        variable: whose value it is.
        choices: what it may be.
        wanted: what somebody chose; None for what the dashboard says. What is no choice is left out.
    """
    if wanted is None:
        wanted = _current(variable.current)
    known = {one.value for one in choices}
    taken = [one for one in wanted if one in known]
    if variable.include_all and (ALL in wanted or not taken):
        return Whole(variable.all_value) if variable.all_value else [one.value for one in choices]
    if not taken:
        taken = [one.value for one in choices[:1]]
    if variable.multi:
        return taken
    return taken[0] if taken else ""


def _current(option: Option | None) -> list[str]:
    if option is None:
        return []
    return [option.value] if isinstance(option.value, str) else list(option.value)


def _pattern(text: str) -> re.Pattern[str]:
    """Of an expression between slashes, as a browser writes them."""
    match = re.fullmatch(r"/(.*)/([a-z]*)", text, re.DOTALL)
    return re.compile(match[1], re.IGNORECASE if "i" in match[2] else 0) if match else re.compile(text)
