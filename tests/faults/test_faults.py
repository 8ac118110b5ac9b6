"""Each fault of the catalogue: nothing is lost, and at the end every number is right.

FAULT=name[,name…] runs those; FAULT=all runs all; else those that always run, and a few that take turns.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests import turns
from tests.faults import results
from tests.faults.recount import Recount
from tests.faults.registry import Fault, catalogue
from tests.faults.rig import Rig, fresh
from tests.system import System

TURN_MINUTES = 2.5
"""How much time those have that take turns."""
LONGEST_TURN_MINUTES = 1.5

CATALOGUE = catalogue()


def chosen() -> list[Fault]:
    """The faults of this run."""
    asked = os.environ.get("FAULT", "")
    if asked == "all":
        return list(CATALOGUE.values())
    if asked:
        names = [name.strip() for name in asked.split(",")]
        unknown = [name for name in names if name not in CATALOGUE]
        if unknown:
            raise pytest.UsageError(f"NAME={unknown[0]} is not a fault; there are: {', '.join(CATALOGUE)}")
        return [CATALOGUE[name] for name in names]
    return [entry for entry in CATALOGUE.values() if entry.always] + turn()


def turn() -> list[Fault]:
    """Those whose turn it is, where not all were asked for."""
    others = [f for f in CATALOGUE.values() if not f.always and f.minutes <= LONGEST_TURN_MINUTES]
    return turns.turn([(fault, fault.minutes) for fault in others], TURN_MINUTES, step=3)


@pytest.mark.parametrize("entry", chosen(), ids=lambda entry: entry.name)
def test_nothing_is_lost(entry: Fault, system: System, place: Path, recount: Recount) -> None:
    if entry.needs_root and os.geteuid() != 0:
        pytest.skip(f"{entry.name} needs root: {entry.needs_root}")
    print(f"\n{entry.name}: {entry.injected}; promised: {entry.promised}", flush=True)
    began = time.monotonic()
    rig = Rig(system, fresh(place / entry.name))
    try:
        entry.run(rig)
        report = rig.finish()
        others = rig.other_reports()
    except BaseException:
        recount.leave_out(entry.name)
        raise
    finally:
        rig.clean_up()
    ids = {account.name: account.ids for account in report.accounts}
    seconds = time.monotonic() - began
    results.add(entry, report, seconds, rig.notes)
    print(f"{entry.name}: {ids}, duplicates {report.duplicates}, {seconds:.0f} s", *rig.notes, flush=True)
    lost = {id_ for account in report.accounts for id_ in account.lost}
    recount.add(rig.replay.truth, lost, [producer.journal for producer in (rig.producer, *rig.others)])
    if rig.lost:
        # What a gap explains besides may be among them: a gap begins with the last record that was heard.
        unknown = {id_ for account in report.accounts for id_ in account.unknown}
        assert unknown <= rig.lost, report
        # A setting reaches one broker before the other: what is refused when sent again may be in Kafka.
        assert rig.lost & lost, report
    else:
        assert report.well, report
    assert all(other.well for other in others), others


def test_and_every_number_is_right(recount: Recount) -> None:
    """Stands last: the tables against what all of the faults above have sent."""
    assert recount.hold() == 0
