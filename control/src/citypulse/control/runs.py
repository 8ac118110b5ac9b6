"""A run: its variables for the playbooks, what was fed to it, and the commands that prove it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation

DEMO = "demo"
DEMO_TRIGGER_S = 5


@dataclass
class Fed:
    """What a run was fed with so far: countries of its rule, truth files."""

    countries: list[str] = field(default_factory=list)
    truths: list[str] = field(default_factory=list)


def load_fed(inst: Installation, run: str) -> Fed:
    """What is written down of the run; nothing where it is new."""
    path = inst.run_dir(run) / "fed.json"
    return Fed(**json.loads(path.read_text())) if path.exists() else Fed()


def save_fed(inst: Installation, run: str, fed: Fed) -> None:
    """Write it down, whole or not at all."""
    path = inst.run_dir(run) / "fed.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(fed)))
    draft.replace(path)


def fed_truths(inst: Installation, run: str) -> list[Path]:
    """The truth files of the run that hold something; a command interrupted early leaves an empty one.

    Raises `Fault` where one is gone.
    """
    paths = [Path(path) for path in load_fed(inst, run).truths]
    for path in paths:
        if not path.exists():
            raise Fault(
                f"{path}, what was fed to the run `{run}`, is gone: `make demo` starts a fresh run.",
                Exit.BAD_INPUT,
            )
    return [path for path in paths if lines_of(path)]


def lines_of(truth: Path) -> int:
    """How many deliveries a truth file has recorded; its first line is a header."""
    if not truth.exists():
        return 0
    with truth.open("rb") as file:
        return max(0, sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1)


def feed(countries: tuple[str, ...]) -> dict[str, Any]:
    """The feed `all`: every located post of the countries."""
    return {"name": "all", "countries": list(countries), "topic": "tweets"}


def command(inst: Installation, service: str, name: str, *arguments: str) -> int:
    """Run a service's own command with the configuration that the service has; returns its exit code."""
    binary = inst.home / "bin" / name
    config = inst.home / "etc" / service / "config.toml"
    for path, remedy in ((binary, "make up"), (config, "make demo")):
        if not path.exists():
            raise Fault(f"{path} is not there yet: run `{remedy}` first.", Exit.BAD_INPUT)
    return subprocess.run([str(binary), *arguments, "--config", str(config)], check=False).returncode
