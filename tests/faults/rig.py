"""One fault's run: tweets flow from replay through a producer into two real brokers while something breaks.

Each fault gets a fresh journal, replay and producer. The topics are those of the run `faults`, which one
Spark job counts for all of them; ids of different faults are different, since each is generated at its own
time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from citypulse.control.metrics import scrape
from citypulse.producer.config import Config, load
from citypulse.producer.journal import cursor
from citypulse.producer.ledger import Report, compare
from tests.faults.processes import Child
from tests.faults.servers import Servers
from tests.system import System

RUN = "faults"
RATE = 200
"""Tweets a second that flow throughout, unless a fault wants more."""


class Rig:
    """What a fault acts on."""

    def __init__(self, system: System, directory: Path, seed: int) -> None:
        self.system = system
        self.servers = Servers(system, self.topics())
        self.directory = directory
        self.seed = seed
        self.journal = directory / "journal"
        self.truth = directory / "truth.jsonl"
        self.ports = {"replay": system.installation.port(8950), "producer": system.installation.port(9350)}
        self.replay: Child | None = None
        self.producer: Child | None = None
        self.report: Report | None = None
        self.notes: list[str] = []
        self.drained = False
        self.lost: set[int] = set()
        self.token = directory / "token"

    # Configuration

    @property
    def base_url(self) -> str:
        """Where replay serves."""
        return f"http://127.0.0.1:{self.ports['replay']}"

    def make_topics(self) -> None:
        """The topics alone, where no run of the roles makes them."""
        self.servers.make_topics(f"{RUN}.tweets", partitions=4)
        self.servers.make_topics(f"{RUN}.places", f"{RUN}.gaps", partitions=1)

    def topics(self) -> list[str]:
        """Names of the topics that records go to."""
        return [f"{RUN}.tweets", f"{RUN}.places"]

    def configuration(self, **sections: dict[str, Any]) -> Path:
        """Write the producer's configuration: it keeps everything, and waits little; sections go over it."""
        base: dict[str, Any] = {
            "name": "main",
            "run": RUN,
            "stop_seconds": 20,
            "feeds": [{"name": "all", "countries": ["all"], "topic": "tweets"}],
            "x": {
                "base_url": self.base_url,
                "bearer_token_file": str(self.token),
                "network_step_seconds": 0.1,
                "network_max_seconds": 1,
                "http_first_seconds": 0.2,
                "http_max_seconds": 1,
                "rate_limit_first_seconds": 0.5,
            },
            "journal": {"dir": str(self.journal), "keep_hours": 24, "segment_bytes": 1 << 20},
            "kafka": {"bootstrap_servers": self.system.bootstrap},
            "http": {"port": self.ports["producer"]},
        }
        for name, section in sections.items():
            base[name] = {**base[name], **section} if name in base and isinstance(section, dict) else section
        path = self.directory / "producer.toml"
        path.write_text(_toml(base))
        return path

    def config(self) -> Config:
        """The configuration as the producer reads it."""
        return load(self.directory / "producer.toml", {})

    # Running

    def start(
        self,
        *,
        rate: int = RATE,
        replay: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        **sections: Any,
    ) -> None:
        """Start replay, which generates without end, and the producer; wait for the first acknowledged."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.start_replay({**(replay or {}), "play": {"rate": rate, **(replay or {}).get("play", {})}})
        self.start_producer(environment, **sections)
        self.wait_for("the first tweets in Kafka", lambda: self.metric("acknowledged_total") > 0)

    def start_producer(self, environment: dict[str, str] | None = None, **sections: Any) -> None:
        """Start the producer alone."""
        configuration = self.configuration(**sections)
        self.producer = Child(
            "citypulse.producer",
            "run",
            "--config",
            str(configuration),
            log=self.directory / "producer.log",
            environment=environment or {},
        )
        self.producer.start()

    def flow(self, seconds: float) -> None:
        """Let tweets flow for a while."""
        time.sleep(seconds)

    def kill_producer(self) -> None:
        """SIGKILL, whatever it is doing; another one starts by itself."""
        assert self.producer
        pid = self.producer.pid
        if pid:
            self.producer.send(signal.SIGKILL)
        self.wait_for("another producer", lambda: self.producer and self.producer.pid not in (0, pid))

    def halt_producer(self) -> None:
        """SIGKILL; no other one starts until `start_producer`."""
        assert self.producer
        self.producer.halt()

    def expect_missing(self, ids: set[int]) -> None:
        """Only these ids are lost, each known by its place in the journal."""
        self.lost = ids

    def drain(self) -> None:
        """End the source, and wait until everything that was journaled is acknowledged."""
        assert self.replay
        assert self.producer
        self.servers.wait_until_serving()
        self.wait_for("the producer to run", lambda: self.producer and self.producer.pid)
        if self.replay.pid:
            self.replay.stop()
        self.wait_for(
            "the journal to drain",
            lambda: self.metric("accepted_total", default=-1) >= 0 and self.backlog() == 0,
            300,
        )
        self.drained = True

    def finish(self) -> Report:
        """Let everything drain, stop, and hold the ledgers."""
        assert self.producer
        if self.report:
            return self.report
        if not self.drained:
            self.drain()
        code = self.producer.stop()
        assert code == 0, f"the producer ended with {code}:\n{self.producer.tail()}"
        self.report = compare(self.config(), [self.truth], wait=30)
        return self.report

    def identity(self, payload: bytes) -> int:
        """The id of the post in a message."""
        return int(json.loads(payload)["data"]["id"])

    def clean_up(self) -> None:
        """End what still runs."""
        for child in (self.producer, self.replay):
            if child and child.pid:
                child.stop()

    # Looking

    def metric(self, name: str, default: float = 0.0, **labels: str) -> float:
        """One of the producer's metrics now; the default where it cannot be had."""
        samples = scrape(f"127.0.0.1:{self.ports['producer']}")
        if samples is None:
            return default
        for found, number in samples.get(f"citypulse_producer_{name}", []):
            if all(found.get(key) == want for key, want in labels.items()):
                return number
        return default

    def acknowledged_sequence(self) -> int:
        """The cursor as it is on disk."""
        return cursor.load(self.journal) or 1

    def backlog(self) -> int:
        """Records that are journaled and not acknowledged; -1 where the producer does not answer."""
        return int(self.metric("journal_backlog_records", default=-1))

    def log(self, event: str) -> str:
        """The producer's log lines of one event."""
        assert self.producer
        lines = self.producer.log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if f'"event": "{event}"' in line)

    def ready(self) -> bool:
        """What /readyz says."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports['producer']}/readyz", timeout=10
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def circuit(self) -> str:
        """The circuit's state."""
        samples = scrape(f"127.0.0.1:{self.ports['producer']}") or {}
        states = samples.get("citypulse_producer_circuit_state", [])
        return next((labels["citypulse_producer_circuit_state"] for labels, on in states if on == 1), "")

    def wait_for(self, what: str, condition: Callable[[], object], deadline: float = 120) -> None:
        """Wait until a condition holds; a deadline ends in a sentence with the producer's last lines."""
        until = time.monotonic() + deadline
        while not condition():
            assert time.monotonic() < until, (
                f"waited {deadline:g} s in vain for {what}; the producer's log ends:\n"
                f"{self.producer.tail() if self.producer else ''}"
            )
            time.sleep(0.2)

    def memory_mb(self) -> float:
        """Resident memory of the producer, in MB."""
        assert self.producer
        pages = int(Path(f"/proc/{self.producer.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def sent(self) -> int:
        """Messages that replay has sent."""
        return int(self.status().get("sent", 0))

    def status(self) -> dict[str, Any]:
        """What replay says of itself."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.ports['replay']}/status", timeout=10
        ) as response:
            return dict(json.load(response))

    def start_replay(self, sections: dict[str, Any]) -> None:
        """Start replay alone; sections go over its configuration."""
        base: dict[str, Any] = {
            "server": {"port": self.ports["replay"], "token_file": str(self.token)},
            "source": {"generate": True},
            "generator": {"seed": self.seed, "cities": 200},
            "play": {"rate": RATE, "truth": str(self.truth), "hold": True},
            "stream": {"keep_alive_seconds": 5},
        }
        for name, section in sections.items():
            base[name] = {**base.get(name, {}), **section}
        path = self.directory / "replay.toml"
        path.write_text(_toml(base))
        self.replay = Child(
            "citypulse.replay", "serve", "--config", str(path), log=self.directory / "replay.log"
        )
        self.replay.start()
        self.wait_for("replay to serve", lambda: self.token.exists() and self._answers())

    def _answers(self) -> bool:
        try:
            return bool(self.status())
        except OSError:
            return False


def _toml(tree: dict[str, Any]) -> str:
    return msgspec.toml.encode(tree).decode()


def fresh(directory: Path) -> Path:
    """An empty directory of that name."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
