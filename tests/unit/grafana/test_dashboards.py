"""The dashboards' files: as the code builds them, and as Grafana can show them."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from citypulse.board import files, text
from citypulse.board.files import Dashboard, VariableQuery
from citypulse.dashboards import build

FILES = sorted(build.DIRECTORY.glob("*.json"))
BUILT_IN = {"__from", "__to", "__timeFrom", "__timeTo", "__rate_interval"}
SOURCES = {"citypulse-cassandra", "citypulse-prometheus"}
ROWS = re.compile(r"At most ([\d,]+) rows\.$")


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def file(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


@pytest.fixture
def dashboard(file: Path) -> Dashboard:
    return files.read(file)


def test_the_files_are_what_the_code_builds() -> None:
    """`make dashboards` writes them."""
    wanted = {f"{name}.json": build.text(one) for name, one in build.dashboards().items()}
    assert {one.name: one.read_text() for one in FILES} == wanted


def test_no_two_have_the_same_uid() -> None:
    found = [files.read(one).uid for one in FILES]
    assert len(found) == len(set(found)) > 1


def test_each_panel_says_what_it_counts_in_which_unit_and_how_many_rows_at_most(file: Path) -> None:
    panels = json.loads(file.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        name = panel["title"]
        assert len(panel["description"]) > 30, name
        rows = ROWS.search(panel["description"])
        assert rows is not None, name
        assert int(rows[1].replace(",", "")) <= 15_000, name
        assert panel["fieldConfig"]["defaults"]["unit"], name
        assert panel["fieldConfig"]["defaults"]["noValue"], name


def test_every_source_is_one_that_is_provisioned(file: Path) -> None:
    found = set(_uids(json.loads(file.read_text())))
    assert found
    assert found <= SOURCES


def test_no_two_panels_overlap_and_none_leaves_the_grid(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.grid.x + panel.grid.w <= 24, panel.title
    for one, other in itertools.combinations(dashboard.panels, 2):
        a, b = one.grid, other.grid
        beside = a.x + a.w <= b.x or b.x + b.w <= a.x
        below = a.y + a.h <= b.y or b.y + b.h <= a.y
        assert beside or below, (one.title, other.title)


def test_queries_have_a_limit_and_references_of_their_own(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.targets, panel.title
        assert len({target.reference for target in panel.targets}) == len(panel.targets), panel.title
        for target in panel.targets:
            assert target.expression or re.search(r" LIMIT (\d+|\$\{n\})$", target.text), panel.title


def test_each_variable_is_used_and_needs_only_those_before_it(dashboard: Dashboard) -> None:
    known = set(BUILT_IN)
    used: set[str] = set()
    for variable in dashboard.variables:
        queried = variable.query.query if isinstance(variable.query, VariableQuery) else ""
        needs = text.names(queried) | text.names(variable.regex.replace("$/", "/"))
        needs |= text.names(variable.all_value)
        assert needs <= known, variable.name
        known.add(variable.name)
        used |= needs
    for panel in dashboard.panels:
        needs = set[str]().union(*(text.names(target.text + target.expression) for target in panel.targets))
        assert needs <= known, panel.title
        used |= needs
    assert {variable.name for variable in dashboard.variables} <= used


def _uids(node: Any) -> Any:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "datasource":
                yield value["uid"]
            yield from _uids(value)
    elif isinstance(node, list):
        for one in node:
            yield from _uids(one)
