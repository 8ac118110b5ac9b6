"""What Prometheus is told of everything that runs, and what the dashboards make of it."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest

from citypulse.board import files
from citypulse.dashboards import build
from tests.system import System

ALERTS = build.DIRECTORY.parent / "alerts"
DASHBOARDS = [files.read(build.DIRECTORY / f"{name}.json") for name in ("pipeline", "servers")]
EXPRESSIONS = [
    target.expression for dashboard in DASHBOARDS for panel in dashboard.panels for target in panel.targets
]
NAMES = re.compile(r"\b(?:citypulse|kafka|zookeeper|cassandra|jvm|node|process|metrics)_\w+|\bup\b")
SILENT = {"Spend"}
"""Panels that are empty where no limit is set."""


@pytest.fixture(scope="module")
def prometheus(system: System) -> str:
    """Its address, once it has looked at a run."""
    address = f"http://127.0.0.1:{system.installation.port(9090)}"
    if "citypulse_producer_accepted_total" not in names(address):
        system.control("demo", RATE="50", DURATION="20s")
    return address


def get(url: str, **query: Any) -> Any:
    address = f"{url}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - it is our own
        return json.load(answer)


def names(prometheus: str) -> set[str]:
    return set(get(f"{prometheus}/api/v1/label/__name__/values")["data"])


def test_every_server_is_scraped(prometheus: str, system: System) -> None:
    def down() -> list[str]:
        targets = get(f"{prometheus}/api/v1/targets")["data"]["activeTargets"]
        assert len(targets) > 10
        return [
            f"{one['labels']['job']}: {one['lastError']}"
            for one in targets
            # Of runs, none may run now.
            if one["labels"]["job"] not in ("producer", "spark_job") and one["health"] != "up"
        ]

    system.wait_for("all servers to be scraped", lambda: not down(), 60)


def test_every_metric_that_a_dashboard_names_exists(prometheus: str) -> None:
    wanted = {name for expression in EXPRESSIONS for name in NAMES.findall(expression)}
    assert wanted - names(prometheus) == set()
    assert len(wanted) > 40


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.title)
def test_every_panel_shows_something(prometheus: str, system: System, dashboard: files.Dashboard) -> None:
    board = f"http://127.0.0.1:{system.installation.port(3000)}/api/dashboards/{dashboard.uid}/panels"
    now = int(time.time() * 1000)
    empty = []
    for panel in dashboard.panels:
        frames = get(f"{board}/{panel.id}", **{"from": now - 3_600_000, "to": now, "var-run": "named"})[
            "frames"
        ]
        if not frames or not any(frame["fields"][0]["values"] for frame in frames):
            empty.append(panel.title)
        points = sum(len(frame["fields"][0]["values"]) for frame in frames)
        limit = re.search(r"At most ([\d,]+) rows", panel.description)
        assert limit is not None
        assert points <= int(limit[1].replace(",", "")), panel.title
    assert set(empty) <= SILENT


def test_each_alert_fires_when_it_should_and_is_silent_when_not(prometheus: str, system: System) -> None:
    """By the rules' own tests; each has both cases, and a runbook."""
    (promtool,) = (system.home / "opt").glob("prometheus-*/bin/promtool")
    subprocess.run([promtool, "test", "rules", "tests.yml"], cwd=ALERTS, check=True, timeout=120)
    tests = (ALERTS / "tests.yml").read_text()
    loaded = {
        rule["name"]: rule
        for group in get(f"{prometheus}/api/v1/rules")["data"]["groups"]
        for rule in group["rules"]
    }
    assert len(loaded) > 10
    for name, rule in loaded.items():
        assert {f"name: {name} fires", f"name: {name} is silent"} <= set(re.findall(r"name: .*", tests))
        assert (ALERTS.parents[1] / rule["annotations"]["runbook"]).read_text().startswith(f"# {name}\n")
        assert rule["health"] in ("ok", "unknown"), rule


def test_every_metric_that_an_alert_names_exists(prometheus: str, system: System) -> None:
    wanted = set(NAMES.findall((ALERTS / "rules.yml").read_text()))
    # A verification's outcome is written at its end, and seen when the node exporter is asked next.
    system.wait_for("all of them to be scraped", lambda: wanted <= names(prometheus), 60)


def test_no_label_holds_a_city_or_a_person(prometheus: str) -> None:
    labels = set(get(f"{prometheus}/api/v1/labels")["data"])
    assert labels & {"city", "city_id", "user", "author", "post", "tweet"} == set()
    series = get(f"{prometheus}/api/v1/status/tsdb")["data"]["headStats"]["numSeries"]
    assert series < 15_000
