"""Where Grafana is on this machine, or why it is not there and the board is used."""

from __future__ import annotations

from citypulse.control.archives import manifest, offered
from citypulse.control.archives.cache import Cache
from citypulse.control.installation import Installation
from citypulse.control.services import services

PORT = 3001
BOARD_PORT = 3000


def runs(inst: Installation) -> bool:
    """Whether it is there to be looked at."""
    # Its role has waited until it serves, which may be before its manager takes it for started.
    return any(service.name == "grafana" and service.pid for service in services(inst))


def sentence(inst: Installation) -> str:
    """Its address and the file of its password; else what it lacks, and where the board is."""
    if runs(inst):
        password = inst.home / "var" / "grafana" / "admin-password"
        return f"Grafana: http://{inst.address(PORT)}, user admin, its password in {password}"
    board = f"The board, http://{inst.address(BOARD_PORT)}, shows its dashboards."
    lacking = _lacking(inst)
    if lacking:
        place = Cache(inst.cache).offered
        return f"Grafana is not run: {place} holds no {' and no '.join(lacking)}. {board}"
    return f"Grafana does not run, make logs SERVICE=grafana says why. {board}"


def _lacking(inst: Installation) -> list[str]:
    known = manifest.read(inst.home)
    versions = offered.pinned(inst.checkout)
    wanted = {offered.GRAFANA: f"Grafana {versions.grafana}", offered.DATASOURCE: f"plugin {versions.plugin}"}
    return [name for component, name in wanted.items() if component not in known]
