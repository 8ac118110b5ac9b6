"""Queries for Prometheus: what services, servers and hosts say of themselves."""

from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="citypulse-prometheus")

POINTS = 500
"""So many steps of time a panel asks for at most."""


class _Query(variants.Dataquery):
    def __init__(self, reference: str, expression: str, legend: str) -> None:
        self._reference, self._expression, self._legend = reference, expression, legend

    def to_json(self) -> dict[str, Any]:
        return {
            "refId": self._reference,
            "datasource": DATASOURCE,
            "editorMode": "code",
            "range": True,
            "expr": self._expression,
            "legendFormat": self._legend,
        }


class Metric(builder.Builder[variants.Dataquery]):
    """One query of a panel: a line for each series of an expression.

    `legend` names a line; `{{label}}` in it stands for a label's value.
    """

    def __init__(self, legend: str, expression: str, reference: str = "A") -> None:
        self._built = _Query(reference, " ".join(expression.split()), legend)

    def build(self) -> variants.Dataquery:
        """For the SDK."""
        return self._built


def run() -> builders.CustomVariable:
    """The live run, or one that has a name; where both share a machine."""
    choice = builders.CustomVariable("run").label("Run").values("Live : live,Named : named")
    return choice.current(models.VariableOption(text="Live", value="live"))
