"""One installation under test: the commands a person types, and a hand on its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.runs import command
from citypulse.control.services import Service, find, services, start, stop

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class System:
    """Runs `citypulse-control` as make does, in a home of its own."""

    home: Path
    port_offset: int
    variables: Path
    small_disk: Path | None = None
    """Where the second broker's data are on a disk of their own, which can be filled."""
    workers: int = 1
    """Spark's."""

    @property
    def installation(self) -> Installation:
        """The same installation, as the control node's modules see it."""
        cache = os.environ.get("CITYPULSE_CACHE") or Path.home() / ".cache" / "citypulse"
        return Installation(CHECKOUT, self.home, Path(cache), self.port_offset, self.workers)

    def environment(self, **variables: str) -> dict[str, str]:
        """What make would export, with nothing left over from the outer make."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        return {
            **inherited,
            "CITYPULSE_HOME": str(self.home),
            "PORT_OFFSET": str(self.port_offset),
            "WORKERS": str(self.workers),
            "VARS": str(self.variables),
            **variables,
        }

    def begin(self, command: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command and return at once; its output goes to the test's."""
        print(
            f"\n$ {' '.join(f'{k}={v}' for k, v in variables.items())} citypulse-control {command}",
            flush=True,
        )
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "citypulse-control"), command, *arguments],
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
        )

    def control(self, command: str, *arguments: str, check: bool = True, **variables: str) -> int:
        """Run a command to its end; with `check` it must end well."""
        code = self.begin(command, *arguments, **variables).wait()
        assert not check or code == 0, f"citypulse-control {command} ended with {code}"
        return code

    def spark(self, *arguments: str, run: str = "demo") -> int:
        """Run citypulse-spark as the job of a run is configured; returns its exit code."""
        return command(self.installation, f"spark-job-{run}", "citypulse-spark", *arguments)

    def converge(self) -> int:
        """Run the playbook of the servers once more; returns how many tasks changed something."""
        return play(self.installation, "site", {}, "-e", f"@{self.variables}")

    def restart(self, name: str) -> None:
        """Stop a service as its manager does, and start it again."""
        stop(self.installation, name)
        start(self.installation, name)

    @property
    def bootstrap(self) -> list[str]:
        """Both brokers."""
        return [self.installation.address(9092), self.installation.address(9093)]

    def service(self, name: str) -> Service:
        """A service as its manager sees it now."""
        return find(self.installation, name)

    def names(self) -> list[str]:
        """All services the manager knows."""
        return [service.name for service in services(self.installation)]

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a service's own process; returns the pid that got it."""
        pid = self.service(name).pid
        assert pid, f"{name} does not run"
        os.kill(pid, number)
        return pid

    def wait_for(self, what: str, condition: Callable[[], object], deadline_s: float = 180) -> None:
        """Wait until `condition` holds; a deadline ends in a sentence."""
        until = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < until, f"waited {deadline_s:.0f} s in vain for {what}"
            time.sleep(0.2)
