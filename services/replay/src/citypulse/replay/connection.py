"""One connected stream: lines go in, bytes go out, what went out is recorded.

Messages are queued by `offer` and written together, as many as are waiting, by the stream's own task, so that
a slow client holds up nobody else. When nothing was sent for the keep-alive interval an empty line is. With
gzip every write ends in a sync flush, so that a client can always decode all that was sent.
"""

import asyncio
import contextlib
import fcntl
import struct
import termios
import time
import zlib
from collections import deque

from aiohttp import web

from citypulse.replay.fields import Selection
from citypulse.replay.rulebook import Rulebook
from citypulse.replay.truth import Truth

__all__ = ["Connection"]

_LARGEST_WRITE = 256 * 1024
_ACKNOWLEDGE_SECONDS = 0.2
_CRLF = b"\r\n"


class Connection:
    """A client's stream. `number` counts connections from 1, `token` is the digest that the truth shows."""

    def __init__(
        self,
        number: int,
        token: str,
        rulebook: Rulebook,
        selection: Selection,
        truth: Truth,
        *,
        keep_alive: float,
        gzip_level: int,
    ) -> None:
        self.number = number
        self.token = token
        self.rulebook = rulebook
        self.selection = selection
        self.sent = 0
        self.queued_bytes = 0
        self._truth = truth
        self._keep_alive = keep_alive
        self._gzip_level = gzip_level
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._transport: asyncio.Transport | None = None
        self._ended = False
        # Messages sent whose bytes the client's kernel may not have acknowledged: (bytes written up to their
        # end, message).
        self._unacknowledged: deque[tuple[int, bytes]] = deque()
        self._written = 0

    def offer(self, message: bytes) -> None:
        """Queue one message, JSON without a line end."""
        self._queue.append(message)
        self.queued_bytes += len(message)
        self._wake.set()

    async def room(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes are queued, or the stream has ended."""
        while self.queued_bytes >= limit and not self._ended:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Have the stream closed cleanly; what is queued stays unsent."""
        self._ended = True
        self._wake.set()
        self._room.set()

    def abort(self) -> None:
        """Cut the connection off, whatever it waits for."""
        self.end()
        if self._transport is not None:
            self._transport.abort()

    async def run(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write until the client goes or `end` is called; then record what the client may not have got."""
        self._transport = request.transport
        encoding = _Gzip(self._gzip_level) if response.headers.get("Content-Encoding") == "gzip" else _Plain()
        try:
            await self._write_on(response, encoding)
            await response.write_eof(encoding.rest())
        except ConnectionError:
            pass
        finally:
            self.end()
            in_doubt = [message for _, message in self._unacknowledged]
            self._truth.miss(_now(), self.number, self.token, "in doubt", in_doubt)

    def unsent(self) -> list[bytes]:
        """What was still queued when the stream ended."""
        return list(self._queue)

    async def _write_on(self, response: web.StreamResponse, encoding: "_Gzip | _Plain") -> None:
        spoken = time.monotonic()
        while not self._ended:
            messages, size = self._next()
            if messages:
                payload = encoding.encode(_CRLF.join([*messages, b""]))
                await response.write(payload)
                self._note_sent(messages, size, len(payload))
                spoken = time.monotonic()
            elif time.monotonic() >= spoken + self._keep_alive:
                await response.write(encoding.encode(_CRLF))
                spoken = time.monotonic()
            self._forget_acknowledged()
            if not self._queue:
                left = spoken + self._keep_alive - time.monotonic()
                await self._woken(min(left, _ACKNOWLEDGE_SECONDS) if self._unacknowledged else left)

    async def _woken(self, seconds: float) -> None:
        self._wake.clear()
        # What was queued or ended before the flag was cleared set it in vain.
        if not self._queue and not self._ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)

    def _next(self) -> tuple[list[bytes], int]:
        """The messages to write together, and their bytes.

        They stay queued until the write has returned. A write that is cut short leaves them unsent, though a
        part may have reached the client, who then has more than the truth says and never less.
        """
        messages: list[bytes] = []
        size = 0
        for message in self._queue:
            messages.append(message)
            size += len(message)
            if size >= _LARGEST_WRITE:
                break
        return messages, size

    def _note_sent(self, messages: list[bytes], size: int, written: int) -> None:
        for _ in messages:
            self._queue.popleft()
        self.queued_bytes -= size
        self._room.set()
        self._truth.record(_now(), self.number, self.token, messages)
        self.sent += len(messages)
        self._written += written
        self._unacknowledged.extend((self._written, message) for message in messages)

    def _forget_acknowledged(self) -> None:
        if self._unacknowledged and self._transport is not None and not self._transport.is_closing():
            reached = self._written - _in_flight(self._transport)
            while self._unacknowledged and self._unacknowledged[0][0] <= reached:
                self._unacknowledged.popleft()


def _in_flight(transport: asyncio.Transport) -> int:
    """Bytes of a connection that its client's kernel has not acknowledged."""
    socket = transport.get_extra_info("socket")
    (unsent,) = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    return int(unsent) + transport.get_write_buffer_size()


class _Gzip:
    def __init__(self, level: int) -> None:
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)

    def encode(self, payload: bytes) -> bytes:
        return self._compressor.compress(payload) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def rest(self) -> bytes:
        return self._compressor.flush()


class _Plain:
    def encode(self, payload: bytes) -> bytes:
        return payload

    def rest(self) -> bytes:
        return b""


def _now() -> int:
    return int(time.time() * 1000)
