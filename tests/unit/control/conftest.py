from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.control.archives_fakes import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    for key, value in made.environment.items():
        monkeypatch.setenv(key, value)
    return made
