"""The tables against what the faults have sent, less what never reached the topic."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from citypulse.control.metrics import scrape
from citypulse.control.topic import end_offsets
from citypulse.producer.journal.tools import export
from tests.faults.rig import RUN
from tests.system import System

COUNTED = ("tweets", "tweets.in", "tweets.us", "tweets.br", "tweets.jp")
"""The topics that the run's job counts, without the run's prefix."""


EVER = (0, 1 << 62)
"""All sequences, all times."""


class Recount:
    """Collects what was sent, and holds the tables against it at the end."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._truths: list[Path] = []
        self._unknown: list[str] = []

    def add(self, truth: Path, lost: set[int], journals: Sequence[Path]) -> None:
        """What one fault has sent, without what was lost inside a recorded gap or for a reason that it names.

        What no stream was there for and was fetched later is no delivery: it is taken from the journals.
        """
        kept = truth.with_name("counted.jsonl")
        decoder = msgspec.json.Decoder(_Delivered, strict=False)
        message = msgspec.json.Decoder(_Message, strict=False)
        with kept.open("wb") as target:
            seen = set(lost)
            with truth.open("rb") as lines:
                target.write(next(lines))
                for line in lines:
                    identity = decoder.decode(line).message.data.id
                    seen.add(identity)
                    if identity not in lost:
                        target.write(line)
            for journal in journals:
                for payload in export.lines(journal, EVER, EVER, False, export.Exported()):
                    with contextlib.suppress(msgspec.DecodeError):  # malformed lines are journaled too
                        if message.decode(payload).data.id not in seen:
                            target.write(payload.strip() + b"\n")
        self._truths.append(kept)

    def leave_out(self, fault: str) -> None:
        """A fault that failed: what of it is in the topics is not known."""
        self._unknown.append(fault)

    def hold(self) -> int:
        """Wait until the job has counted all of it, and compare every cell with what was sent and with the
        topics; the exit code of verify."""
        self._system.wait_for("the job to have counted all of it", self._caught_up, 300)
        sent = 0
        if self._unknown:
            print(
                f"the tables are held against the topics alone: {', '.join(self._unknown)} failed", flush=True
            )
        else:
            tweets = [argument for truth in self._truths for argument in ("--tweets", str(truth))]
            sent = self._system.spark("verify", *tweets, run=RUN)
        return sent or self._system.spark("verify", "--topic", "--wait", "240", run=RUN)

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
