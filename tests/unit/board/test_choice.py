"""What a variable may be."""

from __future__ import annotations

from citypulse.board import choice
from citypulse.board.choice import Choice
from citypulse.board.files import Option, Variable, VariableQuery
from citypulse.board.text import Whole

ROWS = [
    ("GB:2", "London, England"),
    ("CA:1", "Val-d'Or, Québec"),
    ("CA:3", None),
    ("CA:1", "Val-d'Or, Québec"),
]


def variable(**others: object) -> Variable:
    return Variable("city", "query", VariableQuery("SELECT 1"), **others)  # type: ignore[arg-type]


def test_choices_are_sorted_by_what_is_shown_and_stand_once() -> None:
    assert choice.of_rows(variable(), ROWS, {}) == [
        Choice("CA:3", "CA:3"),
        Choice("GB:2", "London, England"),
        Choice("CA:1", "Val-d'Or, Québec"),
    ]


def test_an_expression_leaves_the_values_of_a_country_or_of_all() -> None:
    of_country = variable(regex="/^(?:[A-Z]|)${country:raw}:/")

    def left(country: str) -> list[str]:
        return [one.value for one in choice.of_rows(of_country, ROWS, {"country": country})]

    assert left("CA") == ["CA:3", "CA:1"]
    assert left("GB") == ["GB:2"]
    assert left(Whole("*")) == ["CA:3", "GB:2", "CA:1"]


def test_a_group_of_an_expression_is_the_value() -> None:
    assert choice.of_rows(variable(regex="/^([A-Z]+):/"), ROWS, {}) == [
        Choice("CA", "CA"),
        Choice("GB", "GB"),
    ]


def test_a_list_may_show_other_words() -> None:
    listed = Variable("span", "custom", "5 minutes : window, Hour : hour,day")
    assert choice.of_list(listed) == [
        Choice("window", "5 minutes"),
        Choice("hour", "Hour"),
        Choice("day", "day"),
    ]


class TestChosen:
    choices = (Choice("a", "A"), Choice("b", "B"))

    def test_what_the_dashboard_says(self) -> None:
        one = variable(current=Option("B", "b"))
        assert choice.chosen(one, self.choices, None) == "b"

    def test_the_first_where_that_is_no_choice(self) -> None:
        assert choice.chosen(variable(current=Option("X", "x")), self.choices, None) == "a"
        assert choice.chosen(variable(), [], None) == ""

    def test_several(self) -> None:
        assert choice.chosen(variable(multi=True), self.choices, ["b", "x", "a"]) == ["b", "a"]

    def test_all_are_every_choice_or_a_text_of_their_own(self) -> None:
        every = variable(multi=True, include_all=True)
        assert choice.chosen(every, self.choices, ["$__all"]) == ["a", "b"]
        assert choice.chosen(every, self.choices, ["gone"]) == ["a", "b"]
        own = variable(include_all=True, all_value="*")
        assert choice.chosen(own, self.choices, None) == "*"
        assert isinstance(choice.chosen(own, self.choices, None), Whole)
