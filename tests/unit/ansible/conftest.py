"""The small programs that roles hand to hosts, run the way the roles run them."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ANSIBLE = Path(__file__).resolve().parents[3] / "infra" / "ansible"
ROLES = ANSIBLE / "roles"
LOADER = yaml.safe_load((ROLES / "_common" / "vars" / "main.yml").read_text())["_common_program_loader"]


def _filters():
    path = ROLES / "_common" / "filter_plugins" / "configuration.py"
    spec = importlib.util.spec_from_file_location("configuration", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FilterModule().filters()


FILTERS = _filters()
Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program() -> Program:
    """`program(request, name=path, …)`: the last of these is the program, the others are what it imports."""

    def run(request: object, **sources: str) -> subprocess.CompletedProcess[str]:
        texts = {name: (ROLES / path).read_text() for name, path in sources.items()}
        command = [sys.executable, "-c", LOADER, json.dumps(texts), json.dumps(request)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run
