"""Runs an Ansible playbook against the native inventory and shows its way in calm lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.markup import escape

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.services import services
from citypulse.control.steps import Ticker
from citypulse.control.variables import user_variables

OWN_SERVICES = ("producer", "spark-job", "replay")
"""The services that end with the project's exit codes; behind the name stands that of their run."""

ENDING_S = 10.0
"""How long an interrupted playbook may take to end."""

_INTERRUPTED = 99


@dataclass
class _Outcome:
    changed: int = 0
    failed: bool = False


def play(inst: Installation, name: str, variables: Mapping[str, object], *arguments: str) -> int:
    """Run `infra/ansible/<name>.yml` with `variables` on top of the installation's own.

    Ansible's whole output goes to `log/ansible-<name>.log`; the plays and how long each took are
    shown. Returns the number of changed tasks; raises `Fault` with the sentences of what failed.
    """
    ansible = inst.checkout / "infra" / "ansible"
    inst.log_dir.mkdir(parents=True, exist_ok=True)
    log = inst.log_dir / f"ansible-{name}.log"
    binaries = Path(sys.executable).parent
    read_end, write_end = os.pipe()
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ansible / "ansible.cfg"),
        "ANSIBLE_CALLBACK_PLUGINS": str(inst.checkout / "control" / "ansible_callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "citypulse_progress",
        "CITYPULSE_PROGRESS_FD": str(write_end),
        # Ansible's own files are state of this installation too.
        "ANSIBLE_HOME": str(inst.home / "run" / "ansible"),
        "ANSIBLE_REMOTE_TMP": str(inst.home / "run" / "ansible" / "tmp"),
        "PATH": f"{binaries}:{os.environ['PATH']}",
    }
    command = [
        str(binaries / "ansible-playbook"),
        "-i",
        "inventories/native",
        "-e",
        f"@{_write_variables(inst, name, variables)}",
        *user_variables(),
        *arguments,
        f"{name}.yml",
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ansible,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[write_end],
        )
        os.close(write_end)
        try:
            outcome = _follow(read_end)
            code = process.wait()
        except BaseException:
            # Whoever ended this command alone has not ended the playbook; two must not run at once.
            _end(process)
            raise
    if code in (_INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code < 0:
        raise Fault(f"The playbook {name}.yml was killed by signal {-code}; the same command starts again.")
    if code:
        raise _fault(inst, name, log, outcome, str(variables.get("citypulse_run", "")) or "live")
    return outcome.changed


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a playbook; end it with its workers where it goes on."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        # An interrupt that meets Python in a callback of its own is dropped: the playbook never hears of it.
        # Its workers have sessions of their own.
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.terminate()
        process.wait()


def _follow(read_end: int) -> _Outcome:
    """Show the events of the callback plugin until the playbook closes its end."""
    outcome = _Outcome()
    ticker = Ticker()
    title, began = "", time.monotonic()
    with os.fdopen(read_end) as events:
        for line in events:
            event = json.loads(line)
            if "play" in event:
                if title:
                    ticker.close(f"{title}  [dim]{time.monotonic() - began:.0f} s[/dim]")
                title, began = event["play"], time.monotonic()
                ticker.say(f"{title} …")
            elif "failed" in event:
                outcome.failed = True
                # At once: what others wait for in vain may take minutes more.
                ticker.close(f"[red]{event['host']}[/red]: {escape(event['failed'].strip())}")
                ticker.say(f"{title} …")
            elif "changed" in event:
                outcome.changed = event["changed"]
    ticker.close(f"{title}  [dim]{time.monotonic() - began:.0f} s[/dim]" if title else "")
    return outcome


def _write_variables(inst: Installation, name: str, variables: Mapping[str, object]) -> Path:
    own = {
        "citypulse_home": str(inst.home),
        "citypulse_cache": str(inst.cache),
        "citypulse_port_offset": inst.port_offset,
        "citypulse_workers": inst.workers,
    }
    path = inst.home / "run" / f"variables-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**own, **variables}, indent=1))
    return path


def _fault(inst: Installation, name: str, log: Path, outcome: _Outcome, run: str) -> Fault:
    if not outcome.failed:
        return Fault(f"The playbook {name}.yml failed; the end of {log} says why.", detail=_tail(log))
    # The run's own services say how they ended; a server's 3 means something else to it.
    own = [f"{service}-{run}" for service in OWN_SERVICES]
    said = {s.exit_status for s in services(inst) if s.name in own and s.ended}
    code = next((Exit(c) for c in (3, 4, 2) if c in said), Exit.FAULT)
    return Fault(f"{name}.yml stopped at the above; its whole output is in {log}.", code)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
