"""The tables against what the faults have sent, less what never reached the topic."""

from __future__ import annotations

from pathlib import Path

import msgspec

from citypulse.control.metrics import scrape
from citypulse.control.topic import end_offsets
from tests.faults.rig import RUN
from tests.system import System

COUNTED = ("tweets", "tweets.in", "tweets.us", "tweets.br", "tweets.jp")
"""The topics that the run's job counts, without the run's prefix."""


class Recount:
    """Collects what was sent, and holds the tables against it at the end."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._truths: list[Path] = []

    def add(self, truth: Path, missing: set[int]) -> None:
        """What one fault has sent; ids that were lost inside a recorded gap are left out."""
        kept = truth.with_name("counted.jsonl")
        identity = msgspec.json.Decoder(_Delivered, strict=False)
        with truth.open("rb") as lines, kept.open("wb") as target:
            target.write(next(lines))
            for line in lines:
                if identity.decode(line).message.data.id not in missing:
                    target.write(line)
        self._truths.append(kept)

    def hold(self) -> int:
        """Wait until the job has counted all of it, and compare every cell; the exit code of verify."""
        self._system.wait_for("the job to have counted all of it", self._caught_up, 300)
        tweets = [argument for truth in self._truths for argument in ("--tweets", str(truth))]
        return self._system.spark("verify", *tweets, run=RUN)

    def _caught_up(self) -> bool:
        ends = end_offsets(self._system.bootstrap, [f"{RUN}.{topic}" for topic in COUNTED])
        job = scrape(self._system.installation.run_address(RUN, 9302)) or {}
        processed = {
            (labels["topic"], int(labels["partition"])): int(offset)
            for labels, offset in job.get("citypulse_spark_processed_offset", [])
        }
        return bool(ends) and all(processed.get(place, 0) == end for place, end in ends.items())


class _Post(msgspec.Struct):
    id: int


class _Message(msgspec.Struct):
    data: _Post


class _Delivered(msgspec.Struct):
    message: _Message
