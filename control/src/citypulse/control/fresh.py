"""A named run begins anew: what it left is removed, and the file to which its tweets are written is there."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.runs import Fed, save_fed


def remove(inst: Installation, run: str) -> None:
    """Everything of the last one: services, topics, keyspace, checkpoint, journal, truth."""
    # First of all: half of a run is not to be gone on with.
    (inst.run_dir(run) / "fed.json").unlink(missing_ok=True)
    play(inst, "run_remove", {"citypulse_run": run})
    shutil.rmtree(inst.run_dir(run), ignore_errors=True)


def begin(inst: Installation, run: str, countries: list[str], before: Fed) -> tuple[Fed, Path]:
    """Write down that the run is fed from now on, after what it was fed `before`; the truth file for that."""
    truth = inst.run_dir(run) / f"truth-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}.jsonl"
    # What is fed is somebody's capture, with all that people said.
    truth.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # From here on the run knows of it, whatever interrupts the next steps.
    truth.touch()
    fed = Fed(before.countries or countries, [*before.truths, str(truth)])
    save_fed(inst, run, fed)
    return fed, truth
