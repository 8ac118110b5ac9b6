"""What a person is told of Grafana: where it is, or what it lacks and where the board is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from citypulse.control import grafana
from citypulse.control.archives import manifest, offered
from citypulse.control.archives.manifest import Archive
from citypulse.control.installation import CHECKOUT, Installation

GRAFANA, PLUGIN = offered.pinned(CHECKOUT)


@pytest.fixture
def inst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setattr(grafana, "services", lambda inst: [])
    return Installation(CHECKOUT, tmp_path / "home", tmp_path / "cache", port_offset=100, workers=1)


def _listed(inst: Installation, *components: str) -> None:
    inst.home.mkdir(exist_ok=True)
    manifest.write(inst.home, [Archive(name, "1", "/nowhere", "0") for name in components])


def test_what_is_lacking_is_named_with_the_place_to_put_it(inst: Installation) -> None:
    place = inst.cache / "offered"
    board = "The board, http://127.0.0.1:3100, shows its dashboards."
    both = f"Grafana is not run: {place} holds no Grafana {GRAFANA} and no plugin {PLUGIN}. {board}"
    assert grafana.sentence(inst) == both
    _listed(inst, "grafana")
    assert grafana.sentence(inst) == f"Grafana is not run: {place} holds no plugin {PLUGIN}. {board}"
    _listed(inst, "grafana", "datasource-cassandra")
    assert grafana.sentence(inst).startswith("Grafana does not run, make logs SERVICE=grafana says why.")


def test_where_it_runs_its_address_and_the_file_of_its_password_are_told(
    inst: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "services", lambda inst: [SimpleNamespace(name="grafana", pid=1)])
    file = inst.home / "var" / "grafana" / "admin-password"
    assert grafana.sentence(inst) == f"Grafana: http://127.0.0.1:3101, user admin, its password in {file}"
