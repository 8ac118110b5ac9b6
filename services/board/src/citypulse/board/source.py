"""What dashboards ask for: Cassandra as Grafana's plugin asks it, and Prometheus."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session

from citypulse.board import choice, frames, prometheus
from citypulse.board.choice import Choice
from citypulse.board.config import Prometheus
from citypulse.board.files import Dashboard, Panel, Target
from citypulse.board.frames import Frame
from citypulse.board.moments import Range, milliseconds
from citypulse.board.text import Value, replace

_INTERVALS = ("__rate_interval", "__interval")


class Sources(NamedTuple):
    """Where data are."""

    session: Callable[[], Session]
    """With Cassandra, whose rows are tuples. It is asked for only where Cassandra is, which may be gone."""
    prometheus: Prometheus


class Asked(NamedTuple):
    """What a dashboard is asked for."""

    choices: dict[str, list[Choice]]
    """What each variable may be."""
    values: dict[str, Value]
    """What it is."""


def ask(sources: Sources, dashboard: Dashboard, wanted: Mapping[str, Sequence[str]], time: Range) -> Asked:
    """Find what the variables may be, and what they are.

    Args:
        sources: where data are.
        dashboard: whose variables they are.
        wanted: what somebody chose, by variable.
        time: the range that is looked at.

    Raises:
        RefusedError: the plugin would not take a variable's query.
        cassandra.DriverException: Cassandra does not answer, or refuses it.
    """
    asked = Asked({}, {})
    for variable in dashboard.variables:
        query = choice.query(variable, {**asked.values, **_moments("__from", "__to", time)})
        if query is None:
            choices = choice.of_list(variable)
        else:
            frames.check(query)
            rows = [tuple(map(_text, row)) for row in sources.session().execute(query)]
            choices = choice.of_rows(variable, rows, asked.values)
        asked.choices[variable.name] = choices
        asked.values[variable.name] = choice.chosen(variable, choices, wanted.get(variable.name))
    return asked


def data(sources: Sources, panel: Panel, values: Mapping[str, Value], time: Range) -> list[Frame]:
    """What a panel shows, before its transformations: the frames of its queries, one query after the other.

    Raises:
        RefusedError: the plugin, or Prometheus, does not take a query.
        cassandra.DriverException: Cassandra does not answer, or refuses it.
        UnreachableError: Prometheus does not answer.
    """
    time = shown(panel, time)
    found: list[Frame] = []
    for target in panel.targets:
        if target.source.kind == prometheus.KIND:
            # Its own names, as $__rate_interval, are no variables of the dashboard.
            known = {**values, **{name: f"${name}" for name in _INTERVALS}}
            expression = replace(target.expression, known)
            found += prometheus.series(sources.prometheus, expression, target.legend, time)
        else:
            found += _rows(sources.session(), target, values, time)
    return found


def _rows(session: Session, target: Target, values: Mapping[str, Value], time: Range) -> list[Frame]:
    query = replace(target.text, {**values, **_moments("__timeFrom", "__timeTo", time)})
    frames.check(query)
    result = session.execute(query)
    types = [_type(one) for one in result.column_types]
    return list(frames.frames(result.column_names, types, result).values())


def shown(panel: Panel, time: Range) -> Range:
    """The range that a panel shows: the dashboard's, or so much of its end as the panel wants."""
    return Range(time.until - milliseconds(panel.time_from), time.until) if panel.time_from else time


def _moments(since: str, until: str, time: Range) -> dict[str, str]:
    return {since: str(time.since), until: str(time.until)}


def _type(kind: Any) -> str:
    return str(kind.cql_parameterized_type())


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
