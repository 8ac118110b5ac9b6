"""Child processes of a test, restarted as a service manager would."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

NOT_AGAIN = (0, 2, 3)
"""Exit codes after which a service manager leaves a service alone."""
RESTART_SECONDS = 0.5
DEADLINE = 60.0


class Child:
    """One command, kept running while `supervised`; its output goes to a log file."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: Path,
        environment: Mapping[str, str] = {},
    ) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}
        self.log = log
        self.codes: list[int] = []
        """Exit codes of the processes that have ended."""
        self._supervised = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs now; 0 where none does."""
        process = self._process
        return process.pid if process and process.poll() is None else 0

    def start(self) -> None:
        """Start it, and again whenever it ends by accident."""
        self._supervised.set()
        self._launch()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def send(self, number: signal.Signals) -> int:
        """Send a signal to the process; returns its pid."""
        pid = self.pid
        assert pid, f"{self._command} does not run; its log ends:\n{self.tail()}"
        os.kill(pid, number)
        return pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it for good; its exit code."""
        self._supervised.clear()
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, number)
        if self._thread:
            self._thread.join(DEADLINE)
            assert not self._thread.is_alive(), f"{self._command} did not end within {DEADLINE:g} s"
        return self.codes[-1]

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _launch(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def _supervise(self) -> None:
        while True:
            assert self._process
            code = self._process.wait()
            self.codes.append(code)
            if not self._supervised.is_set() or code in NOT_AGAIN:
                return
            time.sleep(RESTART_SECONDS)
            if not self._supervised.is_set():
                return
            self._launch()


def wait_for(what: str, condition: Callable[[], object], deadline: float, child: Child | None = None) -> None:
    """Wait until a condition holds; a deadline ends in a sentence, with the last lines of a process's log."""
    until = time.monotonic() + deadline
    while not condition():
        said = f"; its log ends:\n{child.tail()}" if child else ""
        assert time.monotonic() < until, f"waited {deadline:g} s in vain for {what}{said}"
        time.sleep(0.2)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
