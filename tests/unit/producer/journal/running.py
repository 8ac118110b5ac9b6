"""A committer in its thread."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from citypulse.producer.journal import cursor
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer

AT = 1_700_000_000_000
DEADLINE = 30.0


class Running:
    def __init__(
        self,
        directory: Path,
        group_records: int = 100,
        group_seconds: float = 0.05,
        segment_bytes: int = 1 << 20,
        max_bytes: int = 1 << 30,
        **more: Any,
    ) -> None:
        self.directory = directory
        self.writer = Writer(directory, segment_bytes)
        self.committer = Committer(self.writer, group_records, group_seconds, max_bytes, **more)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.committer.run()
        except OSError as error:
            self.error = error

    def put(self, *payloads: bytes, at: int = AT) -> None:
        self.committer.put(at, list(payloads), lambda: False)

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end, f"{what} did not happen within {DEADLINE:g} s"
            time.sleep(0.005)

    def until_durable(self, sequence: int) -> None:
        self.until(lambda: self.committer.durable >= sequence, f"record {sequence - 1} on disk")

    def until_full(self, cause: str) -> None:
        self.until(lambda: self.committer.full == cause, f"full: {cause!r}")

    def acknowledge(self) -> None:
        """As the sender does once Kafka has everything."""
        cursor.store(self.directory, self.committer.durable)
        self.committer.prune(self.committer.durable, 24 * 3600)

    def payloads(self, sequence: int = 1) -> list[bytes]:
        reader = Reader(self.directory, sequence, lambda *_: None)
        found = [record.payload for record in reader.read(self.committer.durable, 10_000, 1 << 30)]
        reader.close()
        return found

    def close(self) -> None:
        self.committer.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the committer did not end"
        self.writer.close()
