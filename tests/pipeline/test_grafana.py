"""Grafana itself, by its role: for who has it, since no registry does.

GRAFANA_ARCHIVE=grafana-….tar.gz GRAFANA_PLUGIN_ARCHIVE=cassandra-datasource-….zip .citypulse/dev/bin/pytest \
    tests/pipeline/test_grafana.py
"""

from __future__ import annotations

import json
import os
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import grafana_host
from tests.grafana_host import DASHBOARDS, Host
from tests.system import System

NAMED = [os.environ.get(name, "") for name in ("GRAFANA_ARCHIVE", "GRAFANA_PLUGIN_ARCHIVE")]

pytestmark = pytest.mark.skipif(
    not all(NAMED),
    reason="GRAFANA_ARCHIVE and GRAFANA_PLUGIN_ARCHIVE name the vendors' files; no registry has them",
)


@pytest.fixture(scope="module")
def host(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Grafana beside the tests' servers, twice converged."""
    made = grafana_host.archives(tmp_path_factory.mktemp("cache"), *(Path(name) for name in NAMED))
    inst = system.installation
    wanted = {
        "grafana_cassandra_contact_points": ["127.0.0.1"],
        "grafana_cassandra_port": inst.port(9042),
        "grafana_prometheus_url": f"http://{inst.address(9090)}",
    }
    with grafana_host.host(made) as host:
        first = host.play(**wanted)
        assert first.returncode == 0, first.stdout + first.stderr
        second = host.play(**wanted)
        assert "changed=0" in second.stdout, second.stdout + second.stderr
        yield host


@pytest.fixture(scope="module")
def password(host: Host) -> str:
    return host.password_file.read_text()


def test_it_is_well_and_nobody_comes_in_without_the_password(host: Host, password: str) -> None:
    assert host.ask("/api/health")["database"] == "ok"
    assert host.ask("/api/org", password)["id"] == 1
    with pytest.raises(urllib.error.HTTPError, match="401"):
        host.ask("/api/org", "another")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        host.ask("/api/org")


@pytest.mark.parametrize("uid", ["citypulse-cassandra", "citypulse-prometheus"])
def test_every_datasource_is_there_and_answers(host: Host, password: str, uid: str) -> None:
    assert host.ask(f"/api/datasources/uid/{uid}", password)["readOnly"]
    health = host.ask(f"/api/datasources/uid/{uid}/health", password)
    assert health["status"] == "OK", health


@pytest.mark.parametrize("uid", list(DASHBOARDS))
def test_every_dashboard_is_there_as_its_file_has_it(host: Host, password: str, uid: str) -> None:
    found = host.ask(f"/api/dashboards/uid/{uid}", password)
    assert found["meta"]["provisioned"]
    assert [panel["title"] for panel in found["dashboard"]["panels"]] == [
        panel["title"] for panel in json.loads(DASHBOARDS[uid].read_text())["panels"]
    ]


def test_its_page_of_alerts_has_prometheus_own_rules(host: Host, password: str) -> None:
    rules = host.ask("/api/prometheus/citypulse-prometheus/api/v1/rules", password)
    assert any(rule["name"] == "StreamSilent" for group in rules["data"]["groups"] for rule in group["rules"])
