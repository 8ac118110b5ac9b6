"""What was sent, to whom, when: the record that every later check is measured by.

The truth file holds JSON lines: a header `{"truth":1,"source":...,"seed":...}`, then one line per delivery,
`{"at":ms,"stream":n,"token":"<8 hex of the token's sha256>","message":{as sent}}`, written after the write to
that stream returned. Lines reach the operating system before they are counted: who reads `sent` N in /status
finds N deliveries in the file.

"Sent" is what a server can know: the bytes left this process. What a connection that broke may not have
handed to its client is named in a second file beside it, `<truth>.undelivered`, in the same form with a
`cause`:

- `no stream`: the token has rules that match, but no stream was connected (X drops such a post; with hold
  there are none);
- `unsent`: the stream ended before the write of this message;
- `gap`, `malformed`: the fault of that name withheld it;
- `in doubt`: sent, and so in the truth too, but the client's kernel had not acknowledged it when the stream
  ended. What the kernel had acknowledged and the client never read cannot be seen from here, as X cannot see
  it.

So every message that matched a token's rules when it was due stands in one of the two files once for each of
that token's streams, or once if it had none: `in doubt` only repeats what the truth has. A delivery that is
not the first has `"by":"backfill"` or `"by":"duplicate"` before its message, and what a fault spoiled
`"fault":"no_tag"` or `"fault":"no_place"`.
"""

import contextlib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec

__all__ = ["AS_DUE", "BY_BACKFILL", "BY_DUPLICATE", "NO_PLACE", "NO_TAG", "Mark", "Truth", "header"]

Mark = bytes
"""What a line says beside the usual: JSON members with a comma after each."""

AS_DUE: Mark = b""
BY_BACKFILL: Mark = b'"by":"backfill",'
BY_DUPLICATE: Mark = b'"by":"duplicate",'
NO_TAG: Mark = b'"fault":"no_tag",'
NO_PLACE: Mark = b'"fault":"no_place",'


def header(source: str, seed: int | None) -> bytes:
    """The first line of a truth file."""
    return msgspec.json.encode({"truth": 1, "source": source, "seed": seed}) + b"\n"


class Truth:
    """Writes the truth and its undelivered file; without a path it only counts.

    Raises FileExistsError for a file that holds deliveries already: they are evidence.
    """

    def __init__(self, path: Path | None, first_line: bytes) -> None:
        self.sent = 0
        self.undelivered = 0
        self._deliveries: IO[bytes] | None = None
        self._undelivered: IO[bytes] | None = None
        if path is not None:
            if _holds_deliveries(path):
                raise FileExistsError(errno.EEXIST, "it holds what was sent before", str(path))
            self._deliveries = path.open("wb")
            self._deliveries.write(first_line)
            self._deliveries.flush()
            self._undelivered = path.with_name(path.name + ".undelivered").open("wb")

    @property
    def writes(self) -> bool:
        """Whether there is a file; without one, what is not delivered need not even be rendered."""
        return self._deliveries is not None

    def record(self, at: int, stream: int, token: str, messages: list[bytes], mark: Mark = AS_DUE) -> None:
        """Note that these messages (JSON as sent) went to a stream at `at` ms."""
        if self._deliveries is not None:
            start = b'{"at":%d,"stream":%d,"token":"%s",%b"message":' % (at, stream, token.encode(), mark)
            self._deliveries.write(
                b"".join([part for message in messages for part in (start, message, b"}\n")])
            )
            self._deliveries.flush()
        self.sent += len(messages)

    def miss(
        self,
        at: int,
        stream: int | None,
        token: str,
        cause: str,
        messages: Iterable[bytes],
        mark: Mark = AS_DUE,
    ) -> None:
        """Note messages that did not reach, or perhaps did not reach, the client; `stream` is None where none
        was connected.
        """
        shown = b"null" if stream is None else b"%d" % stream
        start = b'{"at":%d,"stream":%b,"token":"%s","cause":"%s",%b"message":' % (
            at,
            shown,
            token.encode(),
            cause.encode(),
            mark,
        )
        for message in messages:
            self.undelivered += cause != "in doubt"
            if self._undelivered is not None:
                self._undelivered.write(start + message + b"}\n")
        if self._undelivered is not None:
            self._undelivered.flush()

    def close(self) -> None:
        """Close the files."""
        for file in (self._deliveries, self._undelivered):
            # What cannot be written now was told when it was to be written.
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()


def _holds_deliveries(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.readline()
            return bool(file.readline())
    except FileNotFoundError:
        return False
