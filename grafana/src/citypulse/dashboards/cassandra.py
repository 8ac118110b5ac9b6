"""Queries and variables for Cassandra, within what the plugin's backend takes.

The text begins with `SELECT` and a space. Variables are quoted by `sqlstring`, since a city may be called
Val-d'Or; but what is given for all values is put in as it is, so that the country stands between quotes of
the query. Results are paged, so what must be sorted reads one partition in its clustering order. Rows become
frames by their first column: a city's name gives a line for each city, a constant keeps the order of rows.
"""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE = common.DataSourceRef(type_val="hadesarchitect-cassandra-datasource", uid="citypulse-cassandra")

ROWS = 15_000
"""So many rows at most may a panel ask for: more make a browser slow."""


class _Query(variants.Dataquery):
    def __init__(self, reference: str, target: str) -> None:
        self._reference, self._target = reference, target

    def to_json(self) -> dict[str, Any]:
        return {
            "refId": self._reference,
            "datasource": DATASOURCE,
            "queryType": "query",
            "rawQuery": True,
            "target": self._target,
        }


class Query(builder.Builder[variants.Dataquery]):
    """One query of a panel."""

    def __init__(self, target: str, reference: str = "A") -> None:
        self._built = _Query(reference, " ".join(target.split()))

    def build(self) -> variants.Dataquery:
        """For the SDK."""
        return self._built


def variable(name: str, label: str, query: str) -> builders.QueryVariable:
    """A variable whose values a query gives: the first column, shown as the second if there is one."""
    text = " ".join(query.split())
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(
            {"refId": name, "datasource": DATASOURCE, "queryType": "query", "rawQuery": True, "query": text}
        )
        .definition(text)
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
        # Values come in no order.
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def everything() -> models.VariableOption:
    """The choice of all values."""
    return models.VariableOption(selected=True, text="All", value="$__all")
