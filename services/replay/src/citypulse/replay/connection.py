"""One connected stream: lines go in, bytes go out, what went out is recorded.

Messages are queued by `offer` and written together, as many as are waiting, by the stream's own task, so that
a slow client holds up nobody else. When nothing was sent for the keep-alive interval an empty line is. With
gzip every write ends in a sync flush, so that a client can always decode all that was sent.
"""

import asyncio
import fcntl
import struct
import termios
import time
import zlib
from collections import deque
from collections.abc import Callable

from aiohttp import web

from citypulse.replay.fields import Selection
from citypulse.replay.rulebook import Rulebook
from citypulse.replay.truth import Truth

__all__ = ["Connection"]

_LARGEST_WRITE = 256 * 1024
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
        self._last_line: bytes | None = None
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

    def end(self, last_line: bytes | None = None) -> None:
        """Have the stream closed cleanly: what is queued stays unsent, `last_line` is the last thing said."""
        self._ended, self._last_line = True, last_line
        self._wake.set()
        self._room.set()

    async def run(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write until the client goes or `end` is called; then record what the client may not have got."""
        encode = _gzip(self._gzip_level) if response.headers.get("Content-Encoding") == "gzip" else _plain
        try:
            await self._write_on(request, response, encode)
            if self._last_line is not None:
                await response.write(encode(self._last_line + _CRLF))
            await response.write_eof()
        except ConnectionError:
            pass
        finally:
            self._ended = True
            self._room.set()
            self._truth.miss(
                _now(), self.number, self.token, "in doubt", [message for _, message in self._unacknowledged]
            )

    def unsent(self) -> list[bytes]:
        """What was still queued when the stream ended."""
        return list(self._queue)

    async def _write_on(
        self, request: web.Request, response: web.StreamResponse, encode: Callable[[bytes], bytes]
    ) -> None:
        while not self._ended:
            if not self._queue and not await self._woken():
                await response.write(encode(_CRLF))
                self._forget_acknowledged(request)
                continue
            self._wake.clear()
            messages, size = self._taken()
            if messages:
                payload = encode(_CRLF.join([*messages, b""]))
                await response.write(payload)
                self._queued_off(messages, size)
                self._truth.record(_now(), self.number, self.token, messages)
                self.sent += len(messages)
                self._note_written(len(payload), messages)
            self._forget_acknowledged(request)

    async def _woken(self) -> bool:
        try:
            await asyncio.wait_for(self._wake.wait(), self._keep_alive)
        except TimeoutError:
            return False
        return True

    def _taken(self) -> tuple[list[bytes], int]:
        """The next messages to write together. They stay queued until the write has returned: a write that is
        cut short leaves them recorded as unsent, though a part may have reached the client (who then has more
        than the truth, never less).
        """
        messages: list[bytes] = []
        size = 0
        for message in self._queue:
            messages.append(message)
            size += len(message)
            if size >= _LARGEST_WRITE:
                break
        return messages, size

    def _queued_off(self, messages: list[bytes], size: int) -> None:
        for _ in messages:
            self._queue.popleft()
        self.queued_bytes -= size
        self._room.set()

    def _note_written(self, size: int, messages: list[bytes]) -> None:
        self._written += size
        self._unacknowledged.extend((self._written, message) for message in messages)

    def _forget_acknowledged(self, request: web.Request) -> None:
        if not self._unacknowledged:
            return
        reached = self._written - _in_flight(request)
        while self._unacknowledged and self._unacknowledged[0][0] <= reached:
            self._unacknowledged.popleft()


def _in_flight(request: web.Request) -> int:
    """Bytes of this connection that the client's kernel has not acknowledged."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return 1 << 62
    socket = transport.get_extra_info("socket")
    unsent = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    return int(unsent) + transport.get_write_buffer_size()


def _gzip(level: int) -> Callable[[bytes], bytes]:
    compressor = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return lambda payload: compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _plain(payload: bytes) -> bytes:
    return payload


def _now() -> int:
    return int(time.time() * 1000)
