"""A host for Grafana's role: a directory with a supervisord of its own, and the control node's archives."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citypulse.control.archives import offered
from citypulse.control.archives.cache import Cache
from citypulse.control.archives.processes import Children
from citypulse.control.archives.progress import Task
from citypulse.control.archives.workshop import Workshop
from citypulse.control.installation import CHECKOUT

ANSIBLE = CHECKOUT / "infra" / "ansible"
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
DASHBOARDS = {
    json.loads(path.read_text())["uid"]: path for path in (CHECKOUT / "grafana" / "dashboards").glob("*.json")
}

Manifest = dict[str, dict[str, str]]


@dataclass
class Host:
    """A host below a directory of its own, and the control node beside it."""

    home: Path
    port: int
    archives: dict[str, dict[str, str]]

    def play(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the role."""
        ansible = self.home / "checkout" / "infra" / "ansible"
        ansible.mkdir(parents=True, exist_ok=True)
        for link, target in (
            (ansible / "roles", ANSIBLE / "roles"),
            (ansible.parents[1] / "grafana", CHECKOUT / "grafana"),
        ):
            if not link.exists():
                link.symlink_to(target)
        playbook = ansible / "playbook.yml"
        tasks = [{"ansible.builtin.import_role": {"name": "grafana"}}]
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "citypulse_supervisord": str(Path(sys.executable).with_name("supervisord")),
            **{
                f"citypulse_{name}_dir": str(self.home / name) for name in ("opt", "etc", "var", "log", "run")
            },
            "citypulse_memory_mb": 1,
            "citypulse_disk_mb": 1,
            "citypulse_archives": self.archives,
            "grafana_from": ["archives"],
            "grafana_port": self.port,
            "grafana_cassandra_contact_points": ["10.0.0.1", "10.0.0.2"],
            **variables,
        }
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
        }
        return subprocess.run(
            [str(PROGRAM), "-i", "localhost,", "-e", json.dumps(given), *options, str(playbook)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def ask(self, path: str, password: str = "") -> Any:
        """An answer of its API, which admin asks with `password`, and nobody without one."""
        signed = base64.b64encode(f"admin:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {signed}"} if password else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    @property
    def password_file(self) -> Path:
        """Where the role has put what it made."""
        return self.home / "var" / "grafana" / "admin-password"


def archives(root: Path, grafana: Path, plugin: Path) -> Manifest:
    """What the control node makes of these files of the vendors, in a cache of its own."""
    shop = Workshop(checkout=CHECKOUT, cache=Cache(root), children=Children(), java_home=None)
    shop.cache.offered.mkdir(parents=True)
    for file in (grafana, plugin):
        (shop.cache.offered / file.name).symlink_to(file.absolute())
    found = [make(Task(name, None)) for name, make in offered.makes(shop).items()]
    return {
        one.component: {"version": one.version, "path": one.path, "sha256": one.sha256}
        for one in found
        if one
    }


@contextlib.contextmanager
def host(made: Manifest) -> Iterator[Host]:
    """A host while the block runs; then what it runs is ended, and all of it deleted."""
    # pytest's own directories are too deep for a socket's path.
    home = Path(tempfile.mkdtemp(prefix="cp-"))
    for name in ("opt", "etc", "var", "log", "run", "bin"):
        (home / name).mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        yield Host(home, port, dict(made))
    finally:
        pid = home / "run" / "supervisor.pid"
        if pid.exists():
            process = int(pid.read_text())
            os.kill(process, signal.SIGTERM)
            deadline = time.monotonic() + 60
            while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        shutil.rmtree(home)
