"""Keeps two commands from changing one installation at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from citypulse.control.faults import Fault
from citypulse.control.installation import Installation


@contextmanager
def exclusive(inst: Installation) -> Iterator[None]:
    """Hold the installation until the end; a `Fault` names the process that holds it already.

    The kernel lets go of the lock when the process ends, however it ends.
    """
    inst.home.mkdir(parents=True, exist_ok=True)
    with (inst.home / ".command.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Fault(
                f"Another command (pid {file.read().strip() or 'unknown'}) is at work in {inst.home}:"
                " wait for its end, or interrupt it."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
