"""`python -m tests.faults` lists the catalogue."""

from tests.faults.registry import catalogue

for entry in catalogue().values():
    root = f" Needs root: {entry.needs_root}." if entry.needs_root else ""
    print(f"{entry.name}\n    {entry.injected}.\n    Promised: {entry.promised}.{root}")
