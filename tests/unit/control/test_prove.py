"""When a run counts as proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from citypulse.control import prove
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.runs import Fed, save_fed


@pytest.mark.parametrize(
    ("ledger", "recount", "code"),
    [
        (0, -9, Exit.FAULT),
        (-9, 0, Exit.FAULT),
        (1, 0, Exit.FAULT),
        (0, 2, Exit.BAD_INPUT),
        (0, 77, Exit.FAULT),
    ],
)
def test_a_proof_that_failed_or_was_killed_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: int, recount: int, code: Exit
) -> None:
    inst = _fed(tmp_path)
    monkeypatch.setattr(prove, "command", lambda i, s, name, *a: ledger if "producer" in name else recount)
    with pytest.raises(Fault) as caught:
        prove.prove(inst, "demo")
    assert caught.value.code == code


def test_both_well_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inst = _fed(tmp_path)
    asked: list[str] = []

    def command(i: Installation, service: str, name: str, *arguments: str) -> int:
        asked.append(f"{name} {arguments[0]}")
        return 0

    monkeypatch.setattr(prove, "command", command)
    prove.prove(inst, "demo")
    assert asked == ["citypulse-producer ledger", "citypulse-spark verify"]


def _fed(tmp_path: Path) -> Installation:
    inst = Installation(checkout=tmp_path, home=tmp_path, cache=tmp_path, port_offset=0, workers=1)
    truth = tmp_path / "truth.jsonl"
    truth.touch()
    save_fed(inst, "demo", Fed(countries=["CA"], truths=[str(truth)]))
    return inst
