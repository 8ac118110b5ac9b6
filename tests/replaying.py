"""An X look-alike as a test runs it: a process that generates tweets, and misbehaves when it is told to."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests

from tests.processes import Child, wait_for

RATE = 200
"""Tweets a second, unless a test wants more."""


class Replay:
    """citypulse-replay below a directory."""

    def __init__(self, directory: Path, port: int, seed: int, tokens: int = 1) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.truth = directory / "truth.jsonl"
        self.tokens = [directory / f"token{number}" for number in range(1, tokens + 1)]
        """A file for each account on X."""
        self._directory, self._port, self._seed = directory, port, seed
        self._child: Child | None = None

    def start(self, **sections: Mapping[str, Any]) -> None:
        """Generate without end, as soon as a stream is connected; sections go over its configuration."""
        for token in self.tokens:
            token.write_text(secrets.token_hex(16) + "\n")
        known = self._directory / "tokens"
        known.write_text("".join(token.read_text() for token in self.tokens))
        base: dict[str, Any] = {
            "server": {"port": self._port, "token_file": str(known)},
            "source": {"generate": True},
            "generator": {"seed": self._seed, "cities": 200},
            "play": {"rate": RATE, "truth": str(self.truth), "hold": True},
            "stream": {"keep_alive_seconds": 5},
        }
        for name, section in sections.items():
            base[name] = {**base.get(name, {}), **section}
        path = self._directory / "replay.toml"
        path.write_bytes(msgspec.toml.encode(base))
        log = self._directory / "replay.log"
        self._child = Child("citypulse.replay", "serve", "--config", str(path), log=log)
        self._child.start()
        wait_for("replay to serve", self._answers, 60, self._child)

    def stop(self) -> None:
        """End the source, where it runs."""
        if self._child and self._child.pid:
            self._child.stop()

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        return dict(requests.get(f"{self.base_url}/status", timeout=10).json())

    def fault(self, name: str, **parameters: Any) -> int:
        """Have X misbehave; the number by which `end_fault` ends it."""
        fault = {"fault": name, **parameters}
        answer = requests.post(f"{self.base_url}/control/faults", json=fault, timeout=10)
        assert answer.ok, answer.text
        return int(answer.json()["id"])

    def end_fault(self, number: int) -> None:
        """End what `fault` has begun."""
        requests.delete(f"{self.base_url}/control/faults/{number}", timeout=10).raise_for_status()

    def rules(self, token: int = 0) -> list[dict[str, str]]:
        """What an account has on X."""
        bearer = {"Authorization": f"Bearer {self.tokens[token].read_text().strip()}"}
        url = f"{self.base_url}/2/tweets/search/stream/rules"
        return list(requests.get(url, headers=bearer, timeout=10).json().get("data", []))

    def _answers(self) -> bool:
        try:
            return bool(self.status())
        except requests.RequestException:
            return False


def new_seed() -> int:
    """Another seed each second, so that no two sources generate the same tweets."""
    return int(time.time())
