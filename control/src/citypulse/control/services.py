"""The services of a bare machine, as their service manager (supervisord) sees them."""

from __future__ import annotations

import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from supervisor.xmlrpc import SupervisorTransport

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation

STOP_DEADLINE_S = 120.0
_ABNORMAL_TERMINATION, _SPAWN_ERROR, _ALREADY_STARTED = 40, 50, 60
"""supervisord's codes of these faults."""


@dataclass(frozen=True)
class Service:
    """One supervised service; `pid` is 0 when it does not run, `exit_status` is its last one."""

    name: str
    state: str
    pid: int
    started: int
    exit_status: int
    log: Path

    @property
    def running(self) -> bool:
        """Whether its process is there and past its start."""
        return self.state == "RUNNING"

    @property
    def ended(self) -> bool:
        """Whether it ended by itself and is not coming back."""
        return not self.pid and self.state in ("EXITED", "FATAL", "BACKOFF")


def _supervisor(inst: Installation) -> Any:
    transport = SupervisorTransport(None, None, f"unix://{inst.supervisor_socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def manager_pid(inst: Installation) -> int | None:
    """The process id of this installation's supervisord, None when it does not run."""
    try:
        return int(_supervisor(inst).getPID())
    except (OSError, xmlrpc.client.Error):
        return None


def services(inst: Installation) -> list[Service]:
    """All services that the service manager knows, by name; empty when it does not run."""
    try:
        rows = cast("list[dict[str, Any]]", _supervisor(inst).getAllProcessInfo())
    except (OSError, xmlrpc.client.Error):
        return []
    return sorted(
        (
            Service(
                name=row["name"],
                state=row["statename"],
                pid=row["pid"],
                started=row["start"],
                exit_status=row["exitstatus"],
                log=Path(row["stdout_logfile"] or inst.log_dir / f"{row['name']}.log"),
            )
            for row in rows
        ),
        key=lambda service: service.name,
    )


def find(inst: Installation, name: str) -> Service:
    """The service of that name; a `Fault` lists the names there are."""
    known = services(inst)
    for service in known:
        if service.name == name:
            return service
    names = ", ".join(service.name for service in known) or "none: nothing runs, `make up` starts it"
    raise Fault(f"SERVICE={name} is not a service here; there are: {names}.", Exit.BAD_INPUT)


def start(inst: Installation, name: str) -> None:
    """Start one service that stands still; nothing happens when it runs. One that dies at its start is tried
    again by its manager, so whoever needs it waits for it."""
    if find(inst, name).running:
        return
    try:
        _supervisor(inst).startProcess(name, True)
    except xmlrpc.client.Fault as fault:
        # Its manager was about to start it by itself, or goes on trying: a broker that was killed, say, is
        # refused by ZooKeeper until its old session has expired.
        if fault.faultCode not in (_ABNORMAL_TERMINATION, _SPAWN_ERROR, _ALREADY_STARTED):
            raise


def stop(inst: Installation, name: str) -> None:
    """Stop one service with its own signal and time-out; nothing happens when it stands still."""
    if find(inst, name).pid:
        _supervisor(inst).stopProcess(name, True)


def shut_down(inst: Installation) -> int:
    """Stop all services in reverse order of their priority, then the manager itself.

    Returns how many services ran. Raises `Fault` when something still runs at the deadline.
    """
    running = [service for service in services(inst) if service.pid]
    pid = manager_pid(inst)
    if pid is None:
        return 0
    manager = psutil.Process(pid)
    _supervisor(inst).shutdown()
    try:
        manager.wait(timeout=STOP_DEADLINE_S)
    except psutil.TimeoutExpired:
        left = ", ".join(f"{s.name} ({s.pid})" for s in running if psutil.pid_exists(s.pid))
        raise Fault(
            f"These services did not stop within {STOP_DEADLINE_S:.0f} s: {left or manager}."
        ) from None
    return len(running)


def memory_bytes(service: Service) -> int:
    """Resident memory of the service with all its children, in bytes; 0 when it does not run."""
    if not service.pid:
        return 0
    total = 0
    try:
        parent = psutil.Process(service.pid)
        for process in [parent, *parent.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        return 0
    return total


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log file; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def age_s(service: Service) -> float:
    """Seconds since the service was started; 0 when it does not run."""
    return time.time() - service.started if service.pid else 0.0
