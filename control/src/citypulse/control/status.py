"""What runs, since when, with how much memory, and what each service says of itself."""

from __future__ import annotations

import urllib.error
import urllib.request

from rich.markup import escape
from rich.table import Table

from citypulse.control import grafana
from citypulse.control.installation import Installation
from citypulse.control.services import Service, age_s, last_lines, memory_bytes, services
from citypulse.control.steps import console


def memory_table(inst: Installation) -> tuple[Table, int]:
    """Resident memory of every running service with its children, and the sum in bytes."""
    table = Table(title="Resident memory", title_justify="left")
    table.add_column("service")
    table.add_column("MB", justify="right")
    total = 0
    for service in services(inst):
        used = memory_bytes(service)
        if used:
            total += used
            table.add_row(service.name, f"{used / 1e6:,.0f}")
    table.add_section()
    table.add_row("all", f"{total / 1e6:,.0f}")
    return table, total


def show(inst: Installation) -> bool:
    """Print a line per service and where to look; returns whether all that should run does."""
    known = services(inst)
    if not known:
        console.print(f"Nothing runs in {inst.home}. `make up` starts the servers, `make demo` shows it all.")
        return True
    table = Table(title=f"citypulse in {inst.home}", title_justify="left")
    for column in ("service", "state", "pid", "for", "MB", "says"):
        table.add_column(column, justify="right" if column in ("pid", "for", "MB") else "left")
    for service in known:
        table.add_row(
            service.name,
            _coloured(service),
            str(service.pid or ""),
            _span(age_s(service)),
            f"{memory_bytes(service) / 1e6:,.0f}" if service.pid else "",
            escape(_says(inst, service)),
        )
    console.print(table)
    more = f"   Grafana: http://{inst.address(grafana.PORT)}" if grafana.runs(inst) else ""
    console.print(
        f"Board: http://{inst.address(grafana.BOARD_PORT)}{more}   Spark's master: http://{inst.address(8080)}"
        "   logs: make logs SERVICE=<service>"
    )
    return not any(service.state in ("FATAL", "BACKOFF") or _failed(service) for service in known)


def _failed(service: Service) -> bool:
    return service.state == "EXITED" and service.exit_status != 0


def _coloured(service: Service) -> str:
    if service.running:
        return "[green]running[/green]"
    if _failed(service):
        return f"[red]exited ({service.exit_status})[/red]"
    if service.state in ("FATAL", "BACKOFF"):
        return f"[red]{service.state.lower()}[/red]"
    return f"[dim]{service.state.lower()}[/dim]"


def _says(inst: Installation, service: Service) -> str:
    """The service's own word on whether it is ready, or the last line of the log of one that failed."""
    if not service.running:
        return last_lines(service.log, 1)[:100] if _failed(service) or service.state == "FATAL" else ""
    prefix = next((p for p in HTTP_PORTS if service.name.startswith(f"{p}-")), None)
    if prefix is None:
        return ""
    run = service.name.removeprefix(f"{prefix}-").replace("live", "")
    address = inst.address(8900) if prefix == "replay" else inst.run_address(run, HTTP_PORTS[prefix])
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=3) as response:
            return "ready" if response.status == 200 else str(response.status)
    except urllib.error.HTTPError as error:
        return f"not ready: {error.read(200).decode('utf-8', 'replace').strip()}"
    except OSError as error:
        return f"does not answer on {address}: {error}"


HTTP_PORTS = {"replay": 8900, "producer": 9301, "spark-job": 9302}
"""Default port of the services that tell whether they are ready."""


def _span(seconds: float) -> str:
    if not seconds:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
