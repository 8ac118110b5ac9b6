"""One fault's run: tweets flow from replay through a producer into two real brokers while something breaks.

Each fault gets a fresh journal, replay and producer. The topics are those of the run `faults`, which one
Spark job counts for all of them; ids of different faults are different, since each is generated at its own
time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from citypulse.producer.ledger import Report
from tests.faults.servers import Servers
from tests.producing import Producer
from tests.replaying import Replay, new_seed
from tests.system import System

RUN = "faults"
TOPICS = (f"{RUN}.tweets", f"{RUN}.places", f"{RUN}.gaps")
"""What the producer writes."""


class Rig:
    """What a fault acts on."""

    def __init__(self, system: System, directory: Path) -> None:
        self.system = system
        self.directory = directory
        self.servers = Servers(system, TOPICS)
        self.seed = new_seed()
        self.replay = Replay(directory, system.installation.port(8950), self.seed, tokens=2)
        self.producer = Producer(
            directory,
            system.installation.port(9350),
            run=RUN,
            base_url=self.replay.base_url,
            token=self.replay.tokens[0],
            bootstrap=system.bootstrap,
        )
        self.others: list[Producer] = []
        """Producers beside it."""
        self.notes: list[str] = []
        """What the report says besides."""
        self.lost: set[int] = set()
        """Ids that this fault loses, each known by its place."""
        self._drained = False
        self._report: Report | None = None

    def start(
        self,
        *,
        replay: Mapping[str, Mapping[str, Any]] | None = None,
        environment: Mapping[str, str] | None = None,
        **sections: Any,
    ) -> None:
        """Start replay and the producer; wait for the first tweets in Kafka."""
        self.replay.start(**(replay or {}))
        self.producer.start(environment, **sections)
        self.wait_for("the first tweets in Kafka", lambda: self.producer.metric("acknowledged_total") > 0)

    def flow(self, seconds: float) -> None:
        """Let tweets flow for a while."""
        time.sleep(seconds)

    def wait_for(self, what: str, condition: Callable[[], object], deadline: float = 120) -> None:
        """Wait until a condition holds; a deadline ends in a sentence with the producer's last lines."""
        self.producer.wait_for(what, condition, deadline)

    def drain(self) -> None:
        """End the source, and wait until everything that was journaled is acknowledged."""
        self.servers.wait_until_serving()
        self.wait_for("the producer to run", lambda: self.producer.pid)
        self.replay.stop()
        for producer in (self.producer, *self.others):
            producer.until_drained()
        self._drained = True

    def finish(self) -> Report:
        """Let everything drain, stop, and hold the ledgers."""
        if self._report is None:
            if not self._drained:
                self.drain()
            self.producer.stop()
            self._report = self.producer.ledger(self.replay.truth)
        return self._report

    def other_reports(self) -> list[Report]:
        """The ledgers of the others."""
        self.finish()
        for producer in self.others:
            if producer.pid:
                producer.stop()
        return [producer.ledger(self.replay.truth) for producer in self.others]

    def clean_up(self) -> None:
        """End what still runs."""
        for producer in (self.producer, *self.others):
            producer.clean_up()
        self.replay.stop()


def fresh(directory: Path) -> Path:
    """An empty directory of that name."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
