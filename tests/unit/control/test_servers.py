"""What is looked at before the servers are brought up."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from citypulse.control import servers
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT, Installation

Memory = namedtuple("Memory", "available")
Disk = namedtuple("Disk", "free")
PLENTY = 1 << 40


@pytest.fixture
def inst(tmp_path: Path) -> Installation:
    return Installation(CHECKOUT, tmp_path / "home", tmp_path / "cache", port_offset=0, workers=1)


@pytest.mark.parametrize(
    ("memory", "disk", "says"),
    [
        (6143 << 20, PLENTY, "6143 MB of memory are free and citypulse needs 6144 MB"),
        (PLENTY, 5119 << 20, "5119 MB of disk are free"),
    ],
)
def test_too_little_memory_or_disk_ends_with_4_before_anything_is_fetched(
    inst: Installation, monkeypatch: pytest.MonkeyPatch, memory: int, disk: int, says: str
) -> None:
    monkeypatch.setattr(servers.psutil, "virtual_memory", lambda: Memory(memory))
    monkeypatch.setattr(servers.shutil, "disk_usage", lambda _path: Disk(disk))
    with pytest.raises(Fault, match=says) as caught:
        servers.check_machine(inst)
    assert caught.value.code == Exit.SHORT


def test_enough_of_both_is_enough(inst: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.psutil, "virtual_memory", lambda: Memory(6144 << 20))
    monkeypatch.setattr(servers.shutil, "disk_usage", lambda _path: Disk(5120 << 20))
    servers.check_machine(inst)
    assert inst.home.is_dir()


@pytest.mark.parametrize(
    "read", ["grafana/alerts/rules.yml", "grafana/dashboards/now.json", "infra/ansible/site.yml"]
)
def test_servers_are_left_alone_until_something_that_their_playbook_reads_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    inst = Installation(
        tmp_path / "checkout", tmp_path / "home", tmp_path / "cache", port_offset=0, workers=1
    )
    (inst.home / "run").mkdir(parents=True)
    file = inst.checkout / read
    file.parent.mkdir(parents=True)
    file.write_text("before")
    played: list[str] = []
    monkeypatch.setattr(servers, "play", lambda inst, name, variables: played.append(name))
    servers.bring_up(inst, if_changed=True)
    servers.bring_up(inst, if_changed=True)
    assert played == ["site"]
    file.write_text("after")
    servers.bring_up(inst, if_changed=True)
    assert played == ["site", "site"]
