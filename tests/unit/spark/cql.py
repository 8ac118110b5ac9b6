"""As much of Cassandra as hours and ranks ask for, in memory: the text of each statement is interpreted."""

from __future__ import annotations

import datetime
import re
from collections import namedtuple
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.query import UNSET_VALUE

from citypulse.spark import spans, tables
from citypulse.spark.config import Config
from citypulse.spark.rolling import hours, lists, names, rebuilding, windows

_EPOCH = datetime.datetime(1970, 1, 1)
_TIMES = ("window_start", "hour_start", "updated_at", "span_start", "span_end", "first_seen", "last_seen")

Row = dict[str, Any]


class Statement(str):
    """A prepared statement: its text."""

    is_idempotent = False

    def bind(self, parameters: Sequence[Any]) -> tuple[Statement, Sequence[Any]]:
        return self, parameters


class Batch:
    """Stands for BatchStatement."""

    def __init__(self, kind: Any) -> None:
        self.statements: list[tuple[str, Sequence[Any]]] = []

    def add(self, statement: str, parameters: Sequence[Any]) -> None:
        self.statements.append((statement, parameters))


class Cassandra:
    """Stands for a session. Timestamps are kept as the ms they are given as."""

    def __init__(self, config: Config) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {}
        self.keys: dict[str, tuple[int, list[str]]] = {}
        self.statics: dict[str, dict[tuple[Any, ...], Row]] = {}
        self.written: list[str] = []
        self.deleted: list[str] = []
        self.requests = 0
        self.nulls = 0
        self.down = False
        self.clock = 0
        """Of the writes that come, in ms."""
        for text in tables.statements(config):
            made = re.search(
                r"TABLE IF NOT EXISTS \w+\.(\w+) .*PRIMARY KEY \(\((.*?)\)(.*?)\)", text, re.DOTALL
            )
            if made:
                partition, rest = re.findall(r"\w+", made[2]), re.findall(r"\w+", made[3])
                self.keys[made[1]] = (len(partition), partition + rest)
                self.rows[made[1]] = {}
                self.statics[made[1]] = {}

    def prepare(self, text: str) -> Statement:
        return Statement(" ".join(text.split()))

    def execute(self, statement: Any, parameters: Sequence[Any] = ()) -> Any:
        if self.down:
            raise OperationTimedOut
        self.requests += 1
        if isinstance(statement, Batch):
            for one, values in statement.statements:
                self._execute(one, values)
            return None
        if isinstance(statement, tuple):
            statement, parameters = statement
        return self._execute(statement, parameters)

    def _execute(self, statement: str, parameters: Sequence[Any]) -> Any:
        text = " ".join(statement.replace("%s", "?").split())
        verb = text.split()[0]
        return getattr(self, f"_{verb.lower()}")(text, [_plain(value) for value in parameters])

    def _insert(self, text: str, values: list[Any]) -> None:
        found = re.match(r"INSERT INTO \w+\.(\w+) \((.*?)\)", text)
        assert found
        self._put(found[1], dict(zip(re.findall(r"\w+", found[2]), values, strict=True)))

    def _update(self, text: str, values: list[Any]) -> None:
        if found := re.match(r"UPDATE \w+\.(\w+) SET (\w+) = null WHERE (.*)$", text):
            for row in filter(self._where(found[1], found[3], values), self.rows[found[1]].values()):
                row[found[2]] = None
            return
        found = re.match(r"UPDATE \w+\.(\w+) USING TIMESTAMP \? AND TTL \? SET (\w+) = \? WHERE (.*)$", text)
        assert found
        columns = [found[2], *re.findall(r"(\w+) = \?", found[3])]
        self._put(found[1], dict(zip(columns, values[2:], strict=True)))

    def _put(self, table: str, row: Row) -> None:
        self.written.append(table)
        self.nulls += list(row.values()).count(None)
        row = {column: value for column, value in row.items() if value is not UNSET_VALUE}
        if table == "country_hours" and row.get("tweets") is not None:
            row["written"] = self.clock * 1000
        partition, keys = self.keys[table]
        if not set(keys) <= row.keys():
            self.statics[table].setdefault(tuple(row[key] for key in keys[:partition]), {}).update(row)
            return
        self.rows[table].setdefault(tuple(row[key] for key in keys), {}).update(row)

    def _delete(self, text: str, values: list[Any]) -> None:
        found = re.match(r"DELETE FROM \w+\.(\w+) WHERE (.*)$", text)
        assert found
        self.deleted.append(found[1])
        gone = self._where(found[1], found[2], values)
        for key in [key for key, row in self.rows[found[1]].items() if gone(row)]:
            del self.rows[found[1]][key]
        if len(values) == self.keys[found[1]][0]:
            self.statics[found[1]].pop(tuple(values), None)

    def _select(self, text: str, values: list[Any]) -> Answer:
        found = re.match(r"SELECT (DISTINCT )?(.*?) FROM \w+\.(\w+)(?: WHERE (.*))?$", text)
        assert found
        columns = [column.split(" AS ")[-1] for column in found[2].split(", ")]
        wanted = self._where(found[3], found[4] or "", values)
        partition, _ = self.keys[found[3]]
        chosen = []
        for key, row in sorted(self.rows[found[3]].items()):
            if wanted(row):
                chosen.append(row | self.statics[found[3]].get(key[:partition], {}))
        make = namedtuple("Row", columns)  # type: ignore[misc]
        made = [make(*(_shown(column, row.get(column)) for column in columns)) for row in chosen]
        return Answer(dict.fromkeys(made) if found[1] else made)

    def _where(self, table: str, text: str, values: list[Any]) -> Any:
        conditions = [
            (column, operator, value)
            for (column, operator), value in zip(re.findall(r"(\w+) ([<>]?=?) \?", text), values, strict=True)
        ]
        assert {column for column, _, _ in conditions} <= set(self.keys[table][1])
        meanings = {
            "=": lambda a, b: a == b,
            ">": lambda a, b: a > b,
            "<": lambda a, b: a < b,
            ">=": lambda a, b: a >= b,
            "<=": lambda a, b: a <= b,
        }
        return lambda row: all(meanings[op](row[column], value) for column, op, value in conditions)


class Answer(list[Any]):
    """Rows of an answer."""

    def one(self) -> Any:
        return self[0] if self else None


def connect(monkeypatch: pytest.MonkeyPatch, config: Config) -> Cassandra:
    """A session in which the modules of rolling work without a server."""
    session = Cassandra(config)

    def side_by_side(session: Cassandra, statement: Any, arguments: Iterable[Any], **options: Any) -> Any:
        return [SimpleNamespace(result_or_exc=session.execute(statement, one)) for one in arguments]

    def execute_all(session: Cassandra, todo: Any, concurrency: int, seconds: float) -> None:
        for statement, parameters in todo:
            session.execute(statement, parameters or ())

    for module in (windows, names, hours, spans):
        monkeypatch.setattr(module, "execute_concurrent_with_args", side_by_side)
    for module in (hours, lists, rebuilding):
        monkeypatch.setattr(module, "execute_all", execute_all)
    monkeypatch.setattr(lists, "BatchStatement", Batch)
    return session


def _plain(value: Any) -> Any:
    return (
        (value - _EPOCH) // datetime.timedelta(milliseconds=1)
        if isinstance(value, datetime.datetime)
        else value
    )


def _shown(column: str, value: Any) -> Any:
    if column in _TIMES and value is not None:
        return _EPOCH + datetime.timedelta(milliseconds=value)
    return value
