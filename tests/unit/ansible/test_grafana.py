"""Grafana's role from end to end: real Ansible and supervisord, and a stand-in with Grafana's layout only."""

import configparser
import hashlib
import json
import os
import stat
import subprocess
import threading
import urllib.error
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from citypulse.control.archives import offered
from citypulse.control.installation import CHECKOUT
from tests import grafana_host, standin_grafana
from tests.grafana_host import DASHBOARDS, Host, Manifest

from .conftest import Program

VERSIONS = offered.pinned(CHECKOUT)
BOARD = "The board shows the dashboards."


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    place = tmp_path_factory.mktemp("cache")
    return grafana_host.archives(
        place,
        standin_grafana.archive(place / f"grafana-{VERSIONS.grafana}.linux-amd64.tar.gz", VERSIONS.grafana),
        standin_grafana.plugin(place / f"cassandra-datasource-{VERSIONS.plugin}.zip", VERSIONS.plugin),
    )


@pytest.fixture
def host(archives: Manifest) -> Iterator[Host]:
    with grafana_host.host(archives) as made:
        yield made


def _well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_runs_with_all_it_is_provisioned_with_and_a_second_run_changes_nothing(host):
    said = _well(host.play("-vvv", "--diff"))
    password = host.password_file.read_text()
    assert len(password) == 32
    assert stat.S_IMODE(host.password_file.stat().st_mode) == 0o600
    assert f"http://127.0.0.1:{host.port}, user admin, its password in {host.password_file}" in said
    assert host.ask("/api/health") == {"database": "ok"}
    for uid in ("citypulse-cassandra", "citypulse-prometheus"):
        assert host.ask(f"/api/datasources/uid/{uid}", password)["uid"] == uid
    for uid in DASHBOARDS:
        assert host.ask(f"/api/dashboards/uid/{uid}", password)["dashboard"]["uid"] == uid
    with pytest.raises(urllib.error.HTTPError, match="401"):
        host.ask("/api/datasources/uid/citypulse-cassandra", "another")
    (pid,) = _pids(host)

    assert "changed=0" in _well(host.play())
    assert host.password_file.read_text() == password
    assert _pids(host) == [pid]

    for text in (said, _command_lines(), (host.home / "etc/grafana/grafana.ini").read_text()):
        assert password not in text


def _pids(host: Host) -> list[int]:
    config = str(host.home / "etc/grafana/grafana.ini")
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"--config\0{config}" in _text(path)
    ]


def _command_lines() -> str:
    return "".join(_text(path) for path in Path("/proc").glob("[0-9]*/cmdline"))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture(scope="module")
def written(archives: Manifest) -> Iterator[Path]:
    """What the role writes where Alertmanager is known."""
    with grafana_host.host(archives) as made:
        _well(made.play("--tags", "configure", grafana_alertmanager_url="http://10.0.0.3:9093"))
        yield made.home / "etc" / "grafana"


def test_what_it_writes(written):
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(written / "grafana.ini")
    assert ini["server"]["http_addr"] == "127.0.0.1"
    assert ini["security"]["admin_password"] == f"$__file{{{written.parents[1]}/var/grafana/admin-password}}"
    off = {
        "auth.anonymous": ["enabled"],
        "users": ["allow_sign_up"],
        "analytics": ["reporting_enabled", "check_for_updates", "check_for_plugin_updates"],
        "news": ["news_feed_enabled"],
        "snapshots": ["external_enabled"],
        "plugins": ["plugin_admin_enabled", "preinstall_auto_update"],
    }
    assert all(ini[section][key] == "false" for section, keys in off.items() for key in keys)
    assert Path(ini["dashboards"]["default_home_dashboard_path"]).is_file()

    provisioned = written / "provisioning"
    cassandra, prometheus, alertmanager = yaml.safe_load(
        (provisioned / "datasources" / "citypulse.yml").read_text()
    )["datasources"]
    assert (cassandra["type"], cassandra["url"]) == (offered.PLUGIN, "10.0.0.1:9042;10.0.0.2:9042")
    assert cassandra["jsonData"] == {"keyspace": "system", "consistency": "LOCAL_ONE"}
    assert prometheus["jsonData"] == {"httpMethod": "POST", "timeInterval": "15s", "manageAlerts": True}
    assert alertmanager["url"] == "http://10.0.0.3:9093"
    (provider,) = yaml.safe_load((provisioned / "dashboards" / "citypulse.yml").read_text())["providers"]
    assert (provider["disableDeletion"], provider["allowUiUpdates"]) == (True, False)
    shown = {path.name: path.read_text() for path in Path(provider["options"]["path"]).iterdir()}
    assert shown == {path.name: path.read_text() for path in DASHBOARDS.values()}
    # Prometheus judges the alerts; a second judge of the same would tell everything twice.
    assert list((provisioned / "alerting").iterdir()) == []


def test_every_datasource_of_the_dashboards_is_provisioned(written):
    file = written / "provisioning" / "datasources" / "citypulse.yml"
    known = {(one["type"], one["uid"]) for one in yaml.safe_load(file.read_text())["datasources"]}
    used: set[tuple[str, str]] = set()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            source = node.get("datasource")
            if isinstance(source, dict):
                used.add((source["type"], source["uid"]))
            node = list(node.values())
        if isinstance(node, list):
            for one in node:
                collect(one)

    for path in DASHBOARDS.values():
        collect(json.loads(path.read_text()))
    assert known - used == {("alertmanager", "citypulse-alertmanager")}
    assert used <= known


def test_without_an_archive_preflight_says_so_and_nothing_is_done(host):
    del host.archives["datasource-cassandra"]
    said = _well(host.play())
    lack = f"the control node has no archive of {offered.PLUGIN} {VERSIONS.plugin}"
    assert f"Grafana cannot come to localhost: {lack}. {BOARD}" in _joined(said)
    assert "changed=0" in said
    assert not (host.home / "etc" / "grafana").exists()

    refused = host.play(grafana_required=True)
    assert refused.returncode != 0
    assert f"Grafana cannot come to localhost: {lack}" in _joined(refused.stdout)


def test_an_archive_of_another_version_is_none(host):
    host.archives["grafana"] = {**host.archives["grafana"], "version": "1.0.0"}
    assert f"the control node has no archive of Grafana {VERSIONS.grafana}. {BOARD}" in _joined(
        _well(host.play())
    )


def test_a_wrong_sha256_is_named_and_nothing_is_installed(host):
    host.archives["grafana"] = {**host.archives["grafana"], "sha256": "0" * 64}
    refused = host.play()
    assert refused.returncode != 0
    found = hashlib.sha256(Path(host.archives["grafana"]["path"]).read_bytes()).hexdigest()
    assert f"has the sha256 {found}, not {'0' * 64} as its manifest says" in _joined(
        refused.stdout + refused.stderr
    )
    assert not list((host.home / "opt").glob("grafana-*"))


def test_both_ways_that_are_closed_are_told(host):
    (host.home / "bin" / "apt-cache").write_text(APT)
    (host.home / "bin" / "apt-cache").chmod(0o755)
    host.archives.clear()
    said = _joined(_well(host.play(grafana_from=["archives", "package"])))
    lack = f"no archive of Grafana {VERSIONS.grafana} and none of {offered.PLUGIN} {VERSIONS.plugin}, and "
    assert lack in said
    closed = f"{NOT_OFFERED}, nor is grafana_apt_repository given" if ROOT else "only root can install"
    assert closed in said
    assert BOARD in said


APT = """#!/bin/sh
[ "$*" = "madison grafana" ] && echo "   grafana | 99.0.0 | the vendor's repository"
"""
ROOT = os.geteuid() == 0
NOT_OFFERED = f"the host's apt does not offer grafana {VERSIONS.grafana}"


@pytest.fixture
def asked(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """`asked(version, repository)`: why the package cannot come to a host whose apt offers 99.0.0."""
    (tmp_path / "apt-cache").write_text(APT)
    (tmp_path / "apt-cache").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def ask(version: str, repository: str = "") -> str:
        done = program({"version": version, "repository": repository}, offered="grafana/files/offered.py")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return ask


@pytest.mark.skipif(not ROOT, reason="only root can install packages, so nobody else is asked further")
def test_a_package_that_apt_offers_can_come(asked):
    assert asked("99.0.0") == ""
    assert asked(VERSIONS.grafana) == f"{NOT_OFFERED}, nor is grafana_apt_repository given"


@pytest.mark.skipif(not ROOT, reason="only root can install packages, so nobody else is asked further")
def test_a_repository_is_looked_for_before_anything_is_changed(asked, tmp_path):
    (tmp_path / "dists" / "stable").mkdir(parents=True)
    (tmp_path / "dists" / "stable" / "InRelease").write_text("signed")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert (
            asked(VERSIONS.grafana, f"deb [signed-by=/etc/apt/keyrings/grafana.asc] {address} stable main")
            == ""
        )
        unknown = asked(VERSIONS.grafana, f"deb {address}/ other main")
        assert unknown.startswith(f"{address}/dists/other/InRelease cannot be reached (HTTP Error 404")
        server.shutdown()
    assert "no line such as `deb https://host/path suite component`" in asked(VERSIONS.grafana, "deb nowhere")


def _joined(text: str) -> str:
    """Without the line ends and signs that YAML output has put in."""
    return " ".join(text.replace("''", "'").split())
