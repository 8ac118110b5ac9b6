"""Where one installation keeps what is its own: directories, ports, the run's names."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from citypulse.control.faults import Exit, Fault

CHECKOUT = Path(__file__).resolve().parents[4]
"""The root of the checkout that this command belongs to."""

HIGHEST_DEFAULT_PORT = 9431
"""The highest port of the table in infra/ansible's native inventory: an offset must leave room for it."""

NAMED_RUN_OFFSET = 100
"""How far the ports of a named run's producer and job lie from those of the live run."""

LONGEST_SOCKET_PATH = 92
"""Linux takes 108 bytes (unix(7)); supervisord needs some behind the name while it binds."""


@dataclass(frozen=True)
class Installation:
    """One set of servers on this machine, apart from any other by its home and its ports."""

    checkout: Path
    home: Path
    cache: Path
    port_offset: int
    workers: int

    @property
    def log_dir(self) -> Path:
        """Logs of all services and of the playbooks."""
        return self.home / "log"

    @property
    def supervisor_socket(self) -> Path:
        """Where the service manager listens, for its owner only."""
        return self.home / "run" / "supervisor.sock"

    def port(self, default: int) -> int:
        """The port that stands in this installation for `default`."""
        return default + self.port_offset

    def address(self, default_port: int) -> str:
        """`127.0.0.1:port` for a default port."""
        return f"127.0.0.1:{self.port(default_port)}"

    def run_address(self, run: str, default_port: int) -> str:
        """The same for a service of a run: named runs have their ports apart from those of the live one."""
        return self.address(default_port + (NAMED_RUN_OFFSET if run else 0))

    def run_dir(self, run: str) -> Path:
        """What belongs to one run: truth files, what it was fed with."""
        return self.home / "runs" / (run or "live")


def from_environment() -> Installation:
    """The installation that CITYPULSE_HOME, CITYPULSE_CACHE, PORT_OFFSET and WORKERS describe.

    Raises `Fault` with exit code 2 where one of them can't be used.
    """
    env = os.environ
    home = Path(env.get("CITYPULSE_HOME") or CHECKOUT / ".citypulse").absolute()
    if len(str(home / "run" / "supervisor.sock")) > LONGEST_SOCKET_PATH:
        raise Fault(
            f"CITYPULSE_HOME={home} cannot be used: its path is too long for a socket; take one of at most"
            f" {LONGEST_SOCKET_PATH - len('/run/supervisor.sock')} characters.",
            Exit.BAD_INPUT,
        )
    cache_root = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Installation(
        checkout=CHECKOUT,
        home=home,
        cache=Path(env.get("CITYPULSE_CACHE") or cache_root / "citypulse").absolute(),
        port_offset=_whole_number("PORT_OFFSET", 0, 65535 - HIGHEST_DEFAULT_PORT, default=0),
        workers=_whole_number("WORKERS", 1, 8, default=1),
    )


def _whole_number(key: str, lowest: int, highest: int, default: int) -> int:
    text = os.environ.get(key, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text) or not lowest <= int(text) <= highest:
        raise Fault(
            f"{key}={text} cannot be used: give a whole number from {lowest} to {highest}.", Exit.BAD_INPUT
        )
    return int(text)
