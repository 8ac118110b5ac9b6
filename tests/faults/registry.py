"""What a fault is: a name, what is done, what is promised; and the catalogue that later parts add to."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.rig import Rig

Run = Callable[["Rig"], None]


@dataclass(frozen=True)
class Fault:
    """One entry of the catalogue."""

    name: str
    injected: str
    """What is done, in a sentence."""
    promised: str
    """What holds nevertheless, besides the ledgers and the recount, which always do."""
    run: Run
    always: bool = False
    """Whether `make test` runs it every time; the others take turns."""
    minutes: float = 0.5
    """About how long it takes; `make test` leaves the longest to `make faults`."""
    needs_root: str = ""
    """Why it needs root; empty where it does not."""


_CATALOGUE: dict[str, Fault] = {}


def catalogue() -> dict[str, Fault]:
    """Every fault by name, from the modules `catalogue_…` beside this one."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("catalogue_"):
            importlib.import_module(f"tests.faults.{module.name}")
    return _CATALOGUE


def fault(
    name: str,
    *,
    injected: str,
    promised: str,
    always: bool = False,
    minutes: float = 0.5,
    needs_root: str = "",
) -> Callable[[Run], Run]:
    """Enter a function into the catalogue: it injects the fault, heals it, and asserts what is promised."""

    def enter(run: Run) -> Run:
        assert name not in _CATALOGUE, f"two faults are called {name}"
        _CATALOGUE[name] = Fault(name, injected, promised, run, always, minutes, needs_root)
        return run

    return enter
