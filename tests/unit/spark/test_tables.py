"""The schema's text, and statements that are tried again."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import OperationTimedOut

from citypulse.spark import tables
from citypulse.spark.config import Cassandra, Config
from citypulse.spark.tables import execute, schema
from citypulse.spark.verify.stored import COLUMNS, KEYS


def test_the_configured_values_stand_in_the_schema() -> None:
    cassandra = Cassandra(replication_factor=3, local_datacenter="dc-1", windows_ttl_days=2.5)
    made = tables.statements(Config(run="demo", checkpoint_dir="/c", cassandra=cassandra))
    assert made[0].startswith("CREATE KEYSPACE IF NOT EXISTS citypulse_demo")
    assert "'class': 'NetworkTopologyStrategy', 'dc-1': 3" in made[0]
    for table in ("city_windows", "country_windows", "windows_by_country", "set_aside"):
        of_table = [one for one in made if re.search(rf"TABLE (IF NOT EXISTS )?citypulse_demo.{table} ", one)]
        assert len(of_table) == 2, table
        for one in of_table:
            assert "default_time_to_live = 216000" in one
            assert "'class': 'TimeWindowCompactionStrategy'" in one
    assert not any("{keyspace" in one or "--" in one for one in made)


def test_every_statement_can_be_run_twice() -> None:
    for one in tables.statements(Config(checkpoint_dir="/c")):
        assert re.match(
            r"CREATE (KEYSPACE|TABLE) IF NOT EXISTS|ALTER TABLE \S+ (WITH|ADD IF NOT EXISTS|DROP IF EXISTS)"
            r"|INSERT INTO ",
            one,
        )


def test_steps_are_numbered_without_a_hole() -> None:
    numbers = [step.number for step in tables.steps(Config(checkpoint_dir="/c"))]
    assert numbers == list(range(1, len(numbers) + 1))


class Keyspace:
    """Stands for a session: remembers what is done, and keeps the rows of schema_steps."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.steps: dict[int, str] = {}

    def execute(self, text: str, values: Any = (), timeout: float = 0) -> Any:
        if text.startswith("SELECT step"):
            return [SimpleNamespace(step=step) for step in self.steps]
        if text.startswith("INSERT"):
            self.steps[values[0]] = values[1]
        else:
            self.done.append(text)
        return []


def test_a_step_is_done_once_and_a_missing_table_is_made_at_every_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        schema,
        "steps",
        lambda config: [
            schema.Step(
                1, "001_a", ["CREATE TABLE IF NOT EXISTS k.schema_steps", "ALTER TABLE k.a WITH x = 1"]
            ),
            schema.Step(2, "002_b", ["ALTER TABLE k.a ADD IF NOT EXISTS b int"]),
        ],
    )
    keyspace, config = Keyspace(), Config(checkpoint_dir="/c")
    tables.create(keyspace, config)
    assert [one.split()[0:4:3] for one in keyspace.done] == [
        ["CREATE", "NOT"],
        ["ALTER", "WITH"],
        ["ALTER", "ADD"],
    ]
    assert keyspace.steps == {1: "001_a", 2: "002_b"}
    keyspace.done.clear()
    tables.create(keyspace, config)
    assert [one.split()[3] for one in keyspace.done] == ["NOT", "WITH"]


@pytest.mark.parametrize("table", KEYS)
def test_the_schema_has_what_is_read_back(table: str) -> None:
    made = tables.statements(Config(checkpoint_dir="/c"))
    text = next(one for one in made if f"citypulse.{table} (" in one)
    for column in (*KEYS[table], *COLUMNS[table]):
        assert re.search(rf"\b{column} (text|timestamp|bigint|double|blob)", text)
    keys = re.search(r"PRIMARY KEY \((.*)\)$", text, re.MULTILINE)
    assert keys
    assert tuple(re.findall(r"\w+", keys[1])) == KEYS[table]


def test_a_compaction_cannot_leave_its_quotes() -> None:
    cassandra = Cassandra(cities_compaction={"class": "X'} AND comment = 'y"})
    made = tables.statements(Config(checkpoint_dir="/c", cassandra=cassandra))
    assert any("{'class': 'X} AND comment = y'}" in one for one in made)


class Answers:
    """Stands for execute_concurrent: the n-th call fails for the statements it is told to."""

    def __init__(self, failing: list[set[str]]) -> None:
        self.failing, self.asked, self.concurrency = failing, list[list[str]](), list[int]()

    def __call__(self, session: Any, todo: list[tuple[str, Any]], **options: Any) -> list[tuple[bool, Any]]:
        fails = self.failing[len(self.asked)] if len(self.asked) < len(self.failing) else set()
        self.asked.append([one for one, _ in todo])
        self.concurrency.append(options["concurrency"])
        return [(one not in fails, OperationTimedOut() if one in fails else None) for one, _ in todo]


def test_only_what_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers([{"b", "c"}, {"c"}])
    monkeypatch.setattr(execute, "execute_concurrent", answers)
    tables.execute_all(None, [("a", None), ("b", None), ("c", None)], 2, seconds=60, pause=0.001)
    assert answers.asked == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_what_failed_is_tried_with_half_as_many_requests_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers([{"a"}] * 4)
    monkeypatch.setattr(execute, "execute_concurrent", answers)
    tables.execute_all(None, [("a", None)], 5, seconds=60, pause=0.001)
    assert answers.concurrency == [5, 2, 1, 1, 1]


def test_what_keeps_failing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "execute_concurrent", Answers([{"a"}] * 1000))
    with pytest.raises(OperationTimedOut):
        tables.execute_all(None, [("a", None)], 2, seconds=0.01, pause=0.005)
