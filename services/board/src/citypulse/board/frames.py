"""Rows as Grafana's Cassandra plugin gives them (hadesarchitect-cassandra-datasource 3.3.0), with its limits.

Rows come in frames, one for each value of the first column, in the rows' order within it; frames have no
order. A null is 0, or an empty text. What the plugin would refuse is refused here with the reason, so that a
dashboard that works here works there.
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_FIRST = frozenset(
    {
        *("text", "varchar", "ascii", "uuid", "timeuuid", "tinyint", "int", "bigint", "counter", "float"),
        *("double", "timestamp", "date", "boolean"),
    }
)
_OTHERS = _FIRST | {"smallint", "blob", "inet", "varint"}
_NUMBERS = frozenset({"tinyint", "smallint", "int", "bigint", "varint", "counter", "float", "double"})
_TEXTS = frozenset({"text", "varchar", "ascii", "inet"})


class RefusedError(ValueError):
    """The plugin would not take this query."""


class Field(msgspec.Struct):
    """A column of a frame."""

    name: str
    type: str
    """`time`, `number`, `string` or `boolean`."""
    values: list[Any]
    """Times in ms since the epoch."""


class Frame(msgspec.Struct):
    """Rows that share their first column."""

    name: str
    fields: list[Field]


def check(query: str) -> None:
    """Refuse what the plugin refuses before Cassandra sees it.

    Raises:
        RefusedError: with the reason.
    """
    if not query.upper().startswith("SELECT "):
        raise RefusedError("the query does not begin with SELECT and a space")
    if "$" in query:
        raise RefusedError(f"something in the query was not replaced: {query[query.index('$') :][:40]}")


def frames(names: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Frame]:
    """Frames by the first column's value.

    Args:
        names: of the columns.
        types: of the columns, as CQL names them.
        rows: in the order in which Cassandra gave them.

    Raises:
        RefusedError: a column has a type that the plugin cannot give.
    """
    for place, (name, kind) in enumerate(zip(names, types, strict=True)):
        if kind not in (_OTHERS if place else _FIRST):
            raise RefusedError(f"the plugin cannot give a {kind}, which {name} is")
    kinds = [_kind(kind) for kind in types]
    found: dict[str, Frame] = {}
    for row in rows:
        first = _plain(row[0], kinds[0])
        key = str(first)
        if key not in found:
            found[key] = Frame(key, [Field(*column, []) for column in zip(names, kinds, strict=True)])
        for field, value in zip(found[key].fields, row, strict=True):
            field.values.append(_plain(value, field.type))
    return found


def _kind(cql: str) -> str:
    if cql in _NUMBERS:
        return "number"
    if cql in ("timestamp", "date"):
        return "time"
    return "boolean" if cql == "boolean" else "string"


def _plain(value: Any, kind: str) -> Any:
    if kind == "number":
        return 0 if value is None else value
    if kind == "boolean":
        return bool(value)
    if kind == "time":
        if value is None:
            return 0
        if isinstance(value, datetime.datetime):
            return (value - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
        return int(value.days_from_epoch * 86_400_000)
    return "" if value is None else str(value)
