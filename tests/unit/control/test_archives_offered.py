"""Archives of Grafana and its plugin, made of what somebody has put into the cache."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from citypulse.control.archives import offered
from citypulse.control.archives.cache import Cache
from citypulse.control.archives.manifest import Archive
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT
from tests import standin_grafana
from tests.unit.control.archives_fakes import Machine, SilentTask

GRAFANA, PLUGIN = offered.pinned(CHECKOUT)

APT = """#!/bin/sh
# Offers Grafana where $FAKE_DEB is, and fetches that.
echo "$@" >>"$FAKE_APT_LOG"
[ -e "$FAKE_DEB" ] || exit 100
case "$*" in
  *--print-uris*) echo "'uri' grafana_VERSION_amd64.deb 12 SHA256:$(sha256sum "$FAKE_DEB" | cut -c1-64)" ;;
  *) cp "$FAKE_DEB" grafana_VERSION_amd64.deb ;;
esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/share/grafana" "$3/etc" && tar -xzf "$2" --strip-components=1 -C "$3/usr/share/grafana"
"""


@pytest.fixture
def shop(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A machine with the role, a place for offers, and an apt of its own."""
    role = machine.checkout / "infra/ansible/roles/grafana/defaults"
    role.mkdir(parents=True)
    (role / "main.yml").write_text((CHECKOUT / "infra/ansible/roles/grafana/defaults/main.yml").read_text())
    for name, text in (("apt-get", APT.replace("VERSION", GRAFANA)), ("dpkg-deb", DPKG)):
        (machine.bin / name).write_text(text)
        (machine.bin / name).chmod(0o755)
    monkeypatch.setenv("FAKE_DEB", str(tmp_path / "deb"))
    monkeypatch.setenv("FAKE_APT_LOG", str(tmp_path / "apt.log"))
    monkeypatch.delenv("VARS", raising=False)
    Cache(machine.cache).offered.mkdir(parents=True)
    return machine


def _put(machine: Machine, *, grafana: str = "", plugin: str = "") -> None:
    place = Cache(machine.cache).offered
    if grafana:
        standin_grafana.archive(place / grafana, GRAFANA)
    if plugin:
        standin_grafana.plugin(place / plugin, PLUGIN)


def _make(machine: Machine) -> dict[str, Archive]:
    made = [make(SilentTask()) for make in offered.makes(machine.shop()).values()]
    return {one.component: one for one in made if one is not None}


def test_nothing_is_made_of_nothing_and_apt_is_not_even_asked(shop: Machine, tmp_path: Path) -> None:
    assert _make(shop) == {}
    assert not (tmp_path / "apt.log").exists()


@pytest.mark.parametrize(
    "name",
    [
        f"grafana-{GRAFANA}.linux-amd64.tar.gz",
        f"grafana_{GRAFANA}_19497075765_linux_amd64.tar.gz",
        f"grafana_{GRAFANA}_amd64.deb",
    ],
)
@pytest.mark.parametrize(
    "plugin", [f"cassandra-datasource-{PLUGIN}.zip", f"{offered.PLUGIN}-{PLUGIN}.linux_amd64.zip"]
)
def test_both_are_packed_once_and_their_programs_may_be_executed(
    shop: Machine, name: str, plugin: str
) -> None:
    _put(shop, grafana=name, plugin=plugin)
    made = _make(shop)
    assert {key: one.version for key, one in made.items()} == {
        "grafana": GRAFANA,
        "datasource-cassandra": PLUGIN,
    }
    modes: dict[str, int] = {}
    for one in made.values():
        with tarfile.open(one.path) as tar:
            modes |= {entry.name: entry.mode for entry in tar}
    assert modes == {
        "grafana/bin/grafana": 0o755,
        "grafana/conf/defaults.ini": 0o644,
        "grafana/public/index.html": 0o644,
        "grafana/VERSION": 0o644,
        f"datasource-cassandra/{offered.PLUGIN}/plugin.json": 0o644,
        f"datasource-cassandra/{offered.PLUGIN}/cassandra-plugin_linux_amd64": 0o755,
    }
    before = {one.path: Path(one.path).stat().st_ino for one in made.values()}
    assert _make(shop) == made
    assert {path: Path(path).stat().st_ino for path in before} == before


def test_where_apt_offers_grafana_the_plugin_is_enough(shop: Machine, tmp_path: Path) -> None:
    _put(shop, plugin=f"cassandra-datasource-{PLUGIN}.zip")
    assert set(_make(shop)) == {"datasource-cassandra"}
    standin_grafana.archive(tmp_path / "deb", GRAFANA)
    made = _make(shop)
    assert set(made) == {"grafana", "datasource-cassandra"}
    assert _make(shop) == made
    fetched = [line for line in (tmp_path / "apt.log").read_text().splitlines() if "--print-uris" not in line]
    assert fetched == [f"-q download grafana={GRAFANA}"], "it is in the cache afterwards"


def test_a_checksum_beside_a_file_is_held_against_it(shop: Machine) -> None:
    name = f"grafana-{GRAFANA}.linux-amd64.tar.gz"
    _put(shop, grafana=name, plugin=f"cassandra-datasource-{PLUGIN}.zip")
    file = Cache(shop.cache).offered / name
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    beside = file.with_name(f"{name}.sha256")
    beside.write_text(f"{digest}  {name}\n")
    assert "grafana" in _make(shop)
    beside.write_text("0" * 64)
    with pytest.raises(
        Fault, match=f"{name} has the sha256 {digest}, not {'0' * 64} as {name}.sha256 says"
    ) as raised:
        _make(shop)
    assert raised.value.code == Exit.BAD_INPUT


@pytest.mark.parametrize(
    "name", ["grafana-1.2.3.linux-amd64.tar.gz", f"grafana-{GRAFANA}1.linux-amd64.tar.gz"]
)
def test_another_version_than_the_pinned_one_is_refused(shop: Machine, name: str) -> None:
    _put(shop, grafana=name)
    with pytest.raises(Fault, match=f"{name} is another version than {GRAFANA}, which is pinned"):
        _make(shop)


def test_the_pinned_version_may_be_a_variable_of_the_user_s(
    shop: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    variables = tmp_path / "variables.yml"
    variables.write_text("grafana_version: 1.2.3\nkafka_properties: {a: 1}\n")
    monkeypatch.setenv("VARS", str(variables))
    file = Cache(shop.cache).offered / "grafana-1.2.3.linux-amd64.tar.gz"
    standin_grafana.archive(file, "1.2.3")
    assert _make(shop)["grafana"].version == "1.2.3"


def test_what_is_no_grafana_and_no_plugin_is_named(shop: Machine) -> None:
    place = Cache(shop.cache).offered
    tarball = place / f"grafana-{GRAFANA}.linux-amd64.tar.gz"
    standin_grafana.archive(tarball, GRAFANA, without="public/index.html")
    with pytest.raises(Fault, match="is no Grafana: public is not in it"):
        _make(shop)
    standin_grafana.archive(tarball, "1.2.3")
    with pytest.raises(Fault, match=f"holds Grafana 1.2.3, not {GRAFANA}"):
        _make(shop)
    tarball.write_bytes(b"<html>not found</html>")
    with pytest.raises(Fault, match=r"cannot be unpacked \(.*\): fetch it again"):
        _make(shop)
    tarball.unlink()
    standin_grafana.plugin(place / f"cassandra-datasource-{PLUGIN}.zip", "1.0.0")
    with pytest.raises(Fault, match=f"holds {offered.PLUGIN} 1.0.0, not {offered.PLUGIN} {PLUGIN}"):
        _make(shop)
