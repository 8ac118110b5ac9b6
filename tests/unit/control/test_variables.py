"""VARS is looked at before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from citypulse.control.faults import Exit, Fault
from citypulse.control.variables import user_variables


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "vars.yml"
    monkeypatch.setenv("VARS", str(path))
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kafka_heep: 1g\n", "`kafka_heep` is no variable of the roles; kafka_heap may be meant."),
        ("kafka_heap: 1g\nwhatever: 1\n", "`whatever` is no variable of the roles"),
        ("- kafka_heap\n", "it holds no mapping"),
        ("[[ kafka_heap\n", "it is no YAML: expected"),
    ],
)
def test_what_cannot_be_used_is_named_and_ends_with_2(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(Fault) as caught:
        user_variables()
    assert caught.value.sentence.startswith(f"VARS={file} cannot be used: ")
    assert says in caught.value.sentence
    assert caught.value.code == Exit.BAD_INPUT


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(Fault, match="there is no such file"):
        user_variables()


@pytest.mark.parametrize(
    "text", ["", "kafka_properties:\n  log.retention.ms: 5000\n", "citypulse_disk_mb: 9000\n"]
)
def test_variables_of_roles_and_machine_are_given_to_ansible(file: Path, text: str) -> None:
    file.write_text(text)
    assert user_variables() == ["-e", f"@{file}"]


def test_without_it_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VARS", raising=False)
    assert user_variables() == []
