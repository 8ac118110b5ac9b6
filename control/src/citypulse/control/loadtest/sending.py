"""Has locust send, and shows how far it is."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from citypulse.control.faults import Fault
from citypulse.control.installation import Installation
from citypulse.control.loadtest.asked import Asked
from citypulse.control.loadtest.environment import modules
from citypulse.control.loadtest.result import Sending, Sent
from citypulse.control.services import last_lines
from citypulse.control.steps import Ticker

_ENDING_S = 10.0
_OVERTIME_S = 120.0
"""How long locust may take beyond the time in which it is to send."""


class Locust:
    """Locust at work in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], asked: Asked, record: Path, log: Path) -> None:
        self._process, self._asked, self._record, self._log = process, asked, record, log

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def follow(self) -> Sending:
        """Wait until all is sent and answered. Raises `Fault` where locust does not come to that."""
        ticker = Ticker()
        deadline = time.monotonic() + self._asked.seconds + _OVERTIME_S
        while True:
            ended = self._process.poll()
            lines = _lines(self._record)
            if lines and "whole" in lines[-1]:
                ticker.close(_shown(lines[-1], self._asked))
                return msgspec.convert({**lines[-1]["whole"], "by_second": lines}, Sending)
            if ended is not None or time.monotonic() > deadline:
                ticker.close()
                how = f"ended with {ended}" if ended is not None else "does not come to its end"
                raise Fault(f"locust {how}; the end of {self._log} says why:", detail=last_lines(self._log))
            if lines:
                ticker.say(_shown(lines[-1], self._asked))
            time.sleep(0.2)


@contextmanager
def sending(inst: Installation, environment: Path, asked: Asked, directory: Path) -> Iterator[Locust]:
    """Locust, which begins to send, and is ended with the block; what it records goes to `directory`."""
    record, log = directory / "sending.jsonl", inst.log_dir / "loadtest.log"
    sender = inst.checkout / "loadtest" / "src" / "citypulse" / "loadtest" / "sender.py"
    command = [
        *(str(environment / "bin" / "locust"), "-f", str(sender), "--headless", "-u", "1"),
        *("--host", f"http://{inst.address(8900)}", "--exit-code-on-error", "0", "--only-summary"),
        *("--posts-per-second", repr(asked.rate), "--seconds", repr(asked.seconds), "--record", str(record)),
    ]
    paths = os.pathsep.join(str(path) for path in modules(inst))
    # Locust takes options from the environment and from files in the directory that it starts in.
    own = {key: value for key, value in os.environ.items() if not key.startswith("LOCUST_")}
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env={**own, "PYTHONPATH": paths}, cwd=directory, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Locust(process, asked, record, log)
    finally:
        process.terminate()
        try:
            process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _lines(record: Path) -> list[dict[str, Any]]:
    """What is recorded so far; a line that is being written is not there yet."""
    try:
        text = record.read_text()
    except OSError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _shown(line: dict[str, Any], asked: Asked) -> str:
    so_far = msgspec.convert(line, Sent)
    failed = f", {so_far.failed:,} failed" if so_far.failed else ""
    late = f", {so_far.late_s:.1f} s late" if so_far.late_s >= 0.1 else ""
    return (
        f"{min(max(so_far.at, 0), asked.seconds):.0f} of {asked.seconds:.0f} s: {so_far.sent:,} sent,"
        f" {so_far.taken:,} taken{failed}{late}"
    )
