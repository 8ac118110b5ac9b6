"""A producer as a test runs it: a process, restarted as a service manager would, and what it tells."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from citypulse.control.metrics import scrape
from citypulse.events.gap import Gap
from citypulse.producer.config import Config, load
from citypulse.producer.journal import cursor
from citypulse.producer.ledger import Report, compare, sources
from tests.processes import Child, wait_for


class Producer:
    """citypulse-producer below a directory."""

    def __init__(
        self, directory: Path, port: int, *, run: str, base_url: str, token: Path, bootstrap: Sequence[str]
    ) -> None:
        self.journal = directory / "journal"
        self._directory, self._port = directory, port
        self._bootstrap = tuple(bootstrap)
        self._base: dict[str, Any] = {
            "name": "main",
            "run": run,
            "stop_seconds": 20,
            "feeds": [{"name": "all", "countries": ["all"], "topic": "tweets"}],
            "x": {
                "base_url": base_url,
                "bearer_token_file": str(token),
                "network_step_seconds": 0.1,
                "network_max_seconds": 1,
                "http_first_seconds": 0.2,
                "http_max_seconds": 1,
                "rate_limit_first_seconds": 0.5,
            },
            "journal": {"dir": str(self.journal), "keep_hours": 24, "segment_bytes": 1 << 20},
            "kafka": {"bootstrap_servers": list(bootstrap)},
            "http": {"port": port},
        }
        self._child: Child | None = None

    # Running

    def configure(self, **sections: Any) -> Path:
        """Write its configuration: it keeps everything, and waits little; sections go over that."""
        tree = dict(self._base)
        for name, section in sections.items():
            tree[name] = {**tree.get(name, {}), **section} if isinstance(section, Mapping) else section
        self._base = tree
        path = self._directory / "producer.toml"
        path.write_bytes(msgspec.toml.encode(tree))
        return path

    def start(self, environment: Mapping[str, str] | None = None, **sections: Any) -> None:
        """Start it."""
        self._child = Child(
            *("citypulse.producer", "run", "--config", str(self.configure(**sections))),
            log=self._directory / "producer.log",
            environment=environment or {},
        )
        self._child.start()

    @property
    def pid(self) -> int:
        """Of the process that runs now; 0 where none does."""
        return self._child.pid if self._child else 0

    @property
    def codes(self) -> list[int]:
        """Exit codes of its processes that have ended."""
        assert self._child
        return self._child.codes

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._child
        self._child.send(number)

    def kill(self) -> None:
        """SIGKILL, whatever it is doing; another one starts by itself."""
        before = self.pid
        if before:
            self.send(signal.SIGKILL)
        self.wait_for("another producer", lambda: self.pid not in (0, before))

    def halt(self) -> None:
        """SIGKILL; no other one starts until `start`."""
        assert self._child
        self._child.stop(signal.SIGKILL)

    def stop(self) -> None:
        """A controlled stop; it must end well."""
        assert self._child
        code = self._child.stop()
        assert code == 0, f"the producer ended with {code}:\n{self._child.tail()}"

    def clean_up(self) -> None:
        """End it, where it runs."""
        if self._child and self.pid:
            self._child.stop()

    # Looking

    def wait_for(self, what: str, condition: Callable[[], object], deadline: float = 120) -> None:
        """Wait until a condition holds; a deadline ends in a sentence with its last lines."""
        wait_for(what, condition, deadline, self._child)

    def until_drained(self) -> None:
        """Wait until everything that is journaled is acknowledged."""
        self.wait_for("the journal to drain", lambda: self.pid and self.backlog() == 0, 300)

    def metric(self, name: str, default: float = 0.0, **labels: str) -> float:
        """One of its metrics now; the default where it cannot be had."""
        samples = scrape(f"127.0.0.1:{self._port}")
        if samples is None:
            return default
        for found, number in samples.get(f"citypulse_producer_{name}", []):
            if all(found.get(key) == want for key, want in labels.items()):
                return number
        return default

    def metric_sum(self, name: str) -> float:
        """A metric over all its labels."""
        samples = scrape(f"127.0.0.1:{self._port}") or {}
        return sum(number for _, number in samples.get(f"citypulse_producer_{name}", []))

    def backlog(self) -> int:
        """Records that are journaled and not acknowledged; -1 where it does not answer."""
        return int(self.metric("journal_backlog_records", default=-1))

    def connected(self) -> bool:
        """Whether it is connected to X."""
        return self.metric("stream_state", citypulse_producer_stream_state="connected") == 1

    def circuit(self) -> str:
        """The circuit's state."""
        samples = scrape(f"127.0.0.1:{self._port}") or {}
        states = samples.get("citypulse_producer_circuit_state", [])
        return next((labels["citypulse_producer_circuit_state"] for labels, on in states if on == 1), "")

    def ready(self) -> bool:
        """What /readyz says."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def log(self, event: str) -> str:
        """Its log lines of one event."""
        assert self._child
        lines = self._child.log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if f'"event": "{event}"' in line)

    def memory_mb(self) -> float:
        """Its resident memory, in MB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cursor(self) -> int:
        """The cursor as it is on disk."""
        return cursor.load(self.journal) or 1

    def gaps(self) -> list[Gap]:
        """The gaps that are recorded."""
        return sources.gaps(self.journal)

    def config(self) -> Config:
        """Its configuration as it reads it, but straight to the brokers."""
        config = load(self._directory / "producer.toml", {})
        kafka = msgspec.structs.replace(config.kafka, bootstrap_servers=self._bootstrap)
        return msgspec.structs.replace(config, kafka=kafka)

    def ledger(self, truth: Path) -> Report:
        """Both ledgers."""
        return compare(self.config(), [truth], wait=30)


def post_id(payload: bytes) -> int:
    """The id of the post in a message."""
    return int(json.loads(payload)["data"]["id"])
