"""A dashboard's JSON, as far as it is shown here."""

from pathlib import Path
from typing import Any

import msgspec


class Source(msgspec.Struct, rename={"kind": "type"}):
    """Where a query's data are."""

    kind: str
    uid: str


class Target(
    msgspec.Struct,
    rename={
        "reference": "refId",
        "text": "target",
        "source": "datasource",
        "expression": "expr",
        "legend": "legendFormat",
    },
):
    """A query of a panel: Cassandra's in `text`, Prometheus' in `expression`."""

    reference: str
    source: Source
    text: str = ""
    expression: str = ""
    legend: str = ""


class Grid(msgspec.Struct):
    """Place and size in Grafana's grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int


class Panel(msgspec.Struct, rename={"grid": "gridPos", "fields": "fieldConfig", "time_from": "timeFrom"}):
    """One panel."""

    id: int
    type: str
    title: str
    description: str
    grid: Grid
    targets: list[Target]
    fields: dict[str, Any]
    options: dict[str, Any]
    transformations: list[dict[str, Any]] = msgspec.field(default_factory=list)
    time_from: str = ""


class Option(msgspec.Struct):
    """A value of a variable, and what is shown for it; of one with several, lists."""

    text: str | list[str]
    value: str | list[str]


class VariableQuery(msgspec.Struct):
    """Where a variable's values come from."""

    query: str


class Variable(
    msgspec.Struct, rename={"include_all": "includeAll", "all_value": "allValue", "hidden": "hide"}
):
    """A variable of a dashboard."""

    name: str
    type: str
    query: VariableQuery | str
    label: str = ""
    hidden: int = 0
    regex: str = ""
    multi: bool = False
    include_all: bool = False
    all_value: str = ""
    refresh: int = 1
    current: Option | None = None


class _Templating(msgspec.Struct, rename={"variables": "list"}):
    variables: list[Variable] = msgspec.field(default_factory=list)


class Time(msgspec.Struct, rename={"since": "from", "until": "to"}):
    """A time range as Grafana writes it: `now-6h`, `now`."""

    since: str
    until: str


class Dashboard(msgspec.Struct):
    """A dashboard."""

    uid: str
    title: str
    description: str
    panels: list[Panel]
    templating: _Templating
    time: Time

    @property
    def variables(self) -> list[Variable]:
        """In an order in which each needs only those before it."""
        return self.templating.variables


def read(file: Path) -> Dashboard:
    """Read one.

    Raises:
        OSError: the file cannot be read.
        msgspec.DecodeError: it is no dashboard.
    """
    return msgspec.json.decode(file.read_bytes(), type=Dashboard)
