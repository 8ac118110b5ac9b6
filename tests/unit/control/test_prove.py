"""When a run counts as proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from citypulse.control import prove
from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.runs import Fed, save_fed
from citypulse.control.services import Service
from citypulse.control.watch import Progress


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


def test_all_well_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inst = _fed(tmp_path)
    asked: list[str] = []

    def command(i: Installation, service: str, name: str, *arguments: str) -> int:
        asked.append(" ".join((name, *arguments[:2])))
        return 0

    monkeypatch.setattr(prove, "command", command)
    prove.prove(inst, "demo")
    assert asked == [
        "citypulse-producer ledger --truth",
        "citypulse-spark verify --topic",
        "citypulse-spark verify --tweets",
    ]


def test_retweets_are_looked_for_where_the_producer_follows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inst = _fed(tmp_path)
    asked: list[str] = []
    monkeypatch.setattr(prove, "command", lambda i, s, name, *a: asked.extend(a) or 0)
    for enabled in ("false", "true"):
        config = f"[retweets]\nenabled = {enabled}\n"
        (tmp_path / "etc" / "producer-demo" / "config.toml").write_text(config)
        prove.prove(inst, "demo")
        assert ("--retweets" in asked) == (enabled == "true")


def test_what_an_interrupted_demo_left_empty_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inst = _fed(tmp_path)
    empty, header_only = tmp_path / "empty.jsonl", tmp_path / "header.jsonl"
    empty.touch()
    header_only.write_text('{"truth":1}\n')
    given = Fed(["CA"], [str(empty), str(tmp_path / "truth.jsonl"), str(header_only)])
    save_fed(inst, "demo", given)
    asked: list[str] = []
    monkeypatch.setattr(prove, "command", lambda i, s, name, *a: asked.extend(a) or 0)
    prove.prove(inst, "demo")
    assert [word for word in asked if word.endswith(".jsonl")] == [str(tmp_path / "truth.jsonl")] * 2
    save_fed(inst, "demo", Fed(["CA"], [str(empty)]))
    with pytest.raises(Fault, match="Nothing was fed") as caught:
        prove.prove(inst, "demo")
    assert caught.value.code == Exit.BAD_INPUT


def test_truth_that_is_gone_is_named(tmp_path: Path) -> None:
    inst = _fed(tmp_path)
    (tmp_path / "truth.jsonl").unlink()
    with pytest.raises(Fault, match=r"truth\.jsonl"):
        prove.prove(inst, "demo")


@pytest.mark.parametrize(
    ("run", "up", "feeding", "says", "code"),
    [
        ("tomorrow", True, False, "RUN=tomorrow is not a run here; there are: demo", Exit.BAD_INPUT),
        ("demo", False, False, "The servers are stopped", Exit.FAULT),
        ("demo", True, True, "is still being fed", Exit.FAULT),
    ],
)
def test_what_cannot_be_proved_now_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, up: bool, feeding: bool, says: str, code: Exit
) -> None:
    inst = _fed(tmp_path)
    monkeypatch.setattr(prove, "services", lambda _inst: [_KAFKA] if up else [])
    monkeypatch.setattr(prove.Watch, "feeding", lambda _self: feeding)
    with pytest.raises(Fault, match=says) as caught:
        prove.prove(inst, run)
    assert caught.value.code == code


@pytest.mark.parametrize(("counted", "job", "proved"), [(2, True, True), (1, True, False), (1, False, True)])
def test_what_a_running_job_has_not_counted_yet_is_not_told_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: int, job: bool, proved: bool
) -> None:
    inst = _fed(tmp_path)
    progress = Progress(2, False, 0, in_kafka=2, counted=counted, caught_up=counted == 2, due_in_s=0)
    running = [_KAFKA, Service("spark-job-demo", "RUNNING", 2, 0, 0, Path("log"))]
    monkeypatch.setattr(prove, "services", lambda _inst: running if job else [_KAFKA])
    monkeypatch.setattr(prove.Watch, "look", lambda _self: progress)
    monkeypatch.setattr(prove, "COUNTED_S", 0.0)
    asked: list[str] = []
    monkeypatch.setattr(prove, "command", lambda i, s, name, *a: asked.append(name) or 0)
    if proved:
        prove.prove(inst, "demo")
    else:
        with pytest.raises(Fault, match=r"is still being counted \(1 of 2\)"):
            prove.prove(inst, "demo")
    assert bool(asked) == proved


_KAFKA = Service("kafka1", "RUNNING", 1, 0, 0, Path("log"))


@pytest.fixture(autouse=True)
def _up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "services", lambda _inst: [_KAFKA])
    monkeypatch.setattr(prove.Watch, "feeding", lambda _self: False)


def _fed(tmp_path: Path) -> Installation:
    (tmp_path / "etc" / "producer-demo").mkdir(parents=True, exist_ok=True)
    inst = Installation(checkout=tmp_path, home=tmp_path, cache=tmp_path, port_offset=0, workers=1)
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"truth":1}\n{"at":1}\n')
    save_fed(inst, "demo", Fed(countries=["CA"], truths=[str(truth)]))
    return inst
