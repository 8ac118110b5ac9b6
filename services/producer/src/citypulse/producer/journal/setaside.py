"""What the journal or the sender could not use, kept with its reason for a person to look at.

It stops nothing.
"""

import base64
from pathlib import Path

import msgspec

from citypulse.producer.journal.segment import Record

MAX_BYTES = 16 << 20
"""Size at which a file begins anew; the one before it is kept as `….1`."""


class SetAside:
    """Two files of JSON lines in the journal's directory: `set-aside.jsonl` and `corrupt.jsonl`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def record(self, record: Record, reason: str) -> None:
        """Keep a record that could not become an event."""
        self._keep(
            "set-aside.jsonl",
            {
                "sequence": record.sequence,
                "at": record.at,
                "reason": reason,
                "payload": base64.b64encode(record.payload).decode(),
            },
        )

    def corrupt(self, segment: str, offset: int, data: bytes, reason: str) -> None:
        """Keep bytes of a segment that are no record."""
        self._keep(
            "corrupt.jsonl",
            {
                "segment": segment,
                "offset": offset,
                "length": len(data),
                "reason": reason,
                "bytes": base64.b64encode(data).decode(),
            },
        )

    def _keep(self, name: str, entry: dict[str, object]) -> None:
        path = self._directory / name
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_name(f"{name}.1"))
        with path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
