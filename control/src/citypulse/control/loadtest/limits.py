"""What each service may use, as the inventory says, and VARS over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.servers import NATIVE

VARIABLE = "citypulse_limits"
MOST = 0.8
"""The share of a limit that the peak may reach."""


class Limit(NamedTuple):
    """What all processes of a service may use: cores, and MB (10⁶ bytes) of resident memory."""

    cores: float
    memory_mb: float


def read(inst: Installation, env: Mapping[str, str] = os.environ) -> dict[str, Limit]:
    """The limits by the beginnings of services' names.

    Raises `Fault` with exit code 2 where one that VARS sets cannot be.
    """
    wanted: dict[str, dict[str, Any]] = yaml.safe_load((inst.checkout / NATIVE).read_text())[VARIABLE]
    if named := env.get("VARS", "").strip():
        given = (yaml.safe_load(Path(named).read_text()) or {}).get(VARIABLE, {})
        wanted = _over(wanted, given, f"VARS={named} cannot be used: {VARIABLE}")
    return {name: Limit(float(one["cores"]), float(one["memory_mb"])) for name, one in wanted.items()}


def of(service: str, limits: Mapping[str, Limit]) -> Limit | None:
    """The limit of a service: of `spark-worker1` that of `spark-worker`; None where nothing limits it."""
    fitting = [name for name in limits if service.startswith(name)]
    return limits[max(fitting, key=len)] if fitting else None


def name_of(service: str, limits: Mapping[str, Limit]) -> str:
    """The name under which the limit of a service stands."""
    return max((name for name in limits if service.startswith(name)), key=len, default=service)


def _over(base: Mapping[str, Mapping[str, Any]], given: Any, what: str) -> dict[str, dict[str, Any]]:
    """The base with single values of `given` in place of its own."""
    merged = {name: dict(one) for name, one in base.items()}
    if not isinstance(given, dict):
        raise Fault(f"{what}={given} is no mapping; give services, such as kafka.", Exit.BAD_INPUT)
    for name, one in given.items():
        if name not in merged:
            raise Fault(f"{what}.{name} is no service; there are: {', '.join(merged)}.", Exit.BAD_INPUT)
        if not isinstance(one, dict):
            raise Fault(f"{what}.{name}={one} is no mapping; give cores or memory_mb.", Exit.BAD_INPUT)
        for key, value in one.items():
            if key not in Limit._fields:
                raise Fault(f"{what}.{name}.{key} is no limit; give cores or memory_mb.", Exit.BAD_INPUT)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise Fault(f"{what}.{name}.{key}={value} is no number above zero.", Exit.BAD_INPUT)
            merged[name][key] = value
    return merged
