"""Child processes of a build: their output watched line by line, their last lines kept for when they fail."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from citypulse.control.faults import Exit, Fault

_TAIL = 25


class FailedError(Exception):
    """A child ended badly; its text is the last lines that it printed."""


class Children:
    """The child processes of one build, and what these start in turn, so that all end with it."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopping = False
        self._guard = threading.Lock()

    def run(
        self,
        command: Sequence[str | Path],
        watch: Callable[[str], None],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run `command` to its end; `watch` gets each line that it prints, `env` is added to the environment.

        Raises `FailedError` when it ends badly, `Fault` with exit code 4 when it found the disk full,
        FileNotFoundError when there is no such command.
        """
        child = self._start(command, cwd, env)
        tail: deque[str] = deque(maxlen=_TAIL)
        try:
            for line in child.stdout or ():
                tail.append(line.rstrip())
                watch(line.rstrip())
            code = child.wait()
        finally:
            with self._guard:
                self._running.discard(child)
        if code != 0:
            if any(os.strerror(errno.ENOSPC) in line for line in tail):
                raise Fault("The disk is full: free some space and run the same command again.", Exit.SHORT)
            raise FailedError("\n".join(tail))

    def _start(
        self, command: Sequence[str | Path], cwd: Path | None, env: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        with self._guard:
            if self._stopping:
                raise FailedError("The build was stopped.")
            child = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                process_group=0,
            )
            self._running.add(child)
            return child

    def stop(self) -> None:
        """End every child and let no other start: the build is over."""
        with self._guard:
            self._stopping = True
            for child in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
