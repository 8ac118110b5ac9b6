"""Replay and a producer as processes, and no broker: what the producer takes stays in its journal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from citypulse.producer import message
from citypulse.producer.ledger import sources
from citypulse.producer.stream import rules
from tests.processes import free_port
from tests.producing import Producer
from tests.replaying import Replay, new_seed

TOPIC = "stream.tweets"
_SECONDS = 60
_PLAIN = {key: text for key, text in os.environ.items() if not key.startswith(("CITYPULSE_", "X_BEARER"))}


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    def sentence(self, code: int) -> str:
        """The one sentence of a command that ended with a code other than 0."""
        assert (self.code, self.err.count("\n")) == (code, 1), self
        assert self.err.startswith("citypulse-producer: "), self
        return self.err


class Rig:
    """One X, and a producer of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.replay = Replay(directory, free_port(), new_seed(), tokens=2)
        self.producer = self.another("", self.replay.tokens[0])

    def another(self, name: str, token: Path) -> Producer:
        """A producer with a directory of its own."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        nobody = f"127.0.0.1:{free_port()}"
        producer = Producer(
            directory,
            free_port(),
            run="stream",
            base_url=self.replay.base_url,
            token=token,
            bootstrap=[nobody],
        )
        producer.configure(stop_seconds=0.5, feeds=[{"name": "all", "countries": ["all"]}])
        return producer

    @property
    def config(self) -> Path:
        """The producer's configuration."""
        return self.directory / "producer.toml"

    def command(self, *arguments: str | Path, config: Path | None = None, **environment: str) -> Said:
        """Run `citypulse-producer`."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "citypulse.producer"),
                *map(str, arguments),
                *("--config", str(config or self.config)),
            ],
            env=_PLAIN | environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def answer(self, *arguments: str | Path) -> Any:
        """What a command says in JSON."""
        said = self.command(*arguments, "--json")
        assert said.code == 0, said
        return json.loads(said.out)

    def flow(self, messages: int = 50) -> None:
        """Wait until the producer has accepted so many more messages."""
        until = self.producer.metric("accepted_total") + messages
        self.producer.wait_for(
            f"{messages} messages accepted", lambda: self.producer.metric("accepted_total") >= until
        )

    def lost(self) -> dict[int, list[int]]:
        """The ids that X sent and the journal lacks, with the times at which X sent them, in ms."""
        config = self.producer.config()
        parse = message.parser(config, rules.configured(config))
        _, sent = sources.sent([self.replay.truth], parse)
        journaled = sources.journaled(self.producer.journal, parse).ids
        return {post: at for post, at in sent[TOPIC].items() if post not in journaled[TOPIC]}

    def outside_gaps(self) -> list[int]:
        """Those of them that X sent when no gap is recorded; there must be none."""
        spans = [(gap.start, gap.end or 1 << 62) for gap in self.producer.gaps()]
        return [
            post
            for post, times in self.lost().items()
            if not all(any(start <= at < end for start, end in spans) for at in times)
        ]

    def clean_up(self) -> None:
        """End what runs."""
        self.producer.clean_up()
        self.replay.stop()
