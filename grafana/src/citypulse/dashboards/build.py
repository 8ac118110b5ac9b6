"""Writes the dashboards: `python -m citypulse.dashboards.build [DIRECTORY]`, else to `grafana/dashboards`."""

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from citypulse.dashboards import now, pipeline, servers, trends

DIRECTORY = Path(__file__).parents[3] / "dashboards"


def dashboards() -> dict[str, builders.Dashboard]:
    """Every dashboard, by the name of its file."""
    return {
        "city-trends": trends.dashboard(),
        "now": now.dashboard(),
        "pipeline": pipeline.dashboard(),
        "servers": servers.dashboard(),
    }


def built(one: builders.Dashboard) -> dict[str, Any]:
    """A dashboard as Grafana's file of it says it."""
    one = one.tags(["citypulse"]).time("now-6h", "now").refresh("1m").timezone("browser").editable()
    found: dict[str, Any] = json.loads(JSONEncoder().encode(one.build()))
    for number, panel in enumerate(found["panels"], 1):
        panel["id"] = number
    return found


def text(one: builders.Dashboard) -> str:
    """The same as the file's text."""
    return json.dumps(built(one), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write them."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, one in dashboards().items():
        (directory / f"{name}.json").write_text(text(one))


if __name__ == "__main__":
    main()
