"""One connected stream: lines go in, bytes go out, what went out is recorded.

Messages are queued by `offer` and written together, as many as are waiting, by the stream's own task, so that
a slow client holds up nobody else. A backfill is written before them. When nothing was sent for the
keep-alive interval an empty line is. With gzip every write ends in a sync flush, so that a client can always
decode all that was sent.

Faults of the stream happen between two writes: `stream_faults` makes them happen, with the methods below
`unsent`.
"""

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import time
import zlib
from collections import deque
from collections.abc import Iterable
from itertools import groupby, islice

from aiohttp import web

from citypulse.replay import stream_faults
from citypulse.replay.armed import Armed
from citypulse.replay.fault_book import Faults
from citypulse.replay.fields import Selection
from citypulse.replay.rulebook import Rulebook
from citypulse.replay.truth import AS_DUE, BY_BACKFILL, BY_DUPLICATE, Mark, Truth

__all__ = ["Connection"]

_LARGEST_WRITE = 256 * 1024
_BACKFILL_STEP = 200
_ACKNOWLEDGE_SECONDS = 0.2
_ACKNOWLEDGE_STEP = 0.005
_LONGEST_ACKNOWLEDGEMENT = 1.0
_CRLF = b"\r\n"
# On, and no time to linger: the socket's closing resets the connection.
_RESETTING = struct.pack("ii", 1, 0)


class Connection:
    """A client's stream. `number` counts connections from 1, `token` is the digest that the truth shows.

    `backfill` gives the messages to send first, and None for each post that is none of them.
    """

    def __init__(
        self,
        number: int,
        token: str,
        rulebook: Rulebook,
        selection: Selection,
        truth: Truth,
        faults: Faults,
        *,
        keep_alive: float,
        gzip_level: int,
        backfill: Iterable[bytes | None] = (),
    ) -> None:
        self.number = number
        self.token = token
        self.rulebook = rulebook
        self.selection = selection
        self.faults = faults
        self._keep_alive = keep_alive
        self.sent = 0
        self.queue: deque[bytes] = deque()
        self.queued_bytes = 0
        self.ended = False
        self._truth = truth
        self._gzip_level = gzip_level
        self._backfill = iter(backfill)
        self._copies: list[_Copy] = []
        self._encoding: _Gzip | _Plain = _Plain()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._response: web.StreamResponse
        self._transport: asyncio.Transport | None = None
        self._spoken = time.monotonic()
        # Messages sent whose bytes the client's kernel may not have acknowledged: (bytes written up to their
        # end, message, mark).
        self._unacknowledged: deque[tuple[int, bytes, Mark]] = deque()
        self._written = 0

    def offer(self, message: bytes) -> None:
        """Queue one message, JSON without a line end."""
        self.queue.append(message)
        self.queued_bytes += len(message)
        self._wake.set()

    async def room(self, limit: int) -> None:
        """Wait until fewer than `limit` bytes are queued, or the stream has ended."""
        while self.queued_bytes >= limit and not self.ended:
            self._room.clear()
            await self._room.wait()

    def wake(self) -> None:
        """Have the stream look again at what befalls it."""
        self._wake.set()

    def end(self) -> None:
        """Have the stream closed cleanly; what is queued stays unsent."""
        self.ended = True
        self._wake.set()
        self._room.set()

    def abort(self) -> None:
        """Cut the connection off, whatever it waits for."""
        self.end()
        if self._transport is not None:
            self._transport.abort()

    async def run(self, request: web.Request, response: web.StreamResponse) -> None:
        """Write until the client goes or `end` is called; then record what the client may not have got."""
        self._transport, self._response = request.transport, response
        if response.headers.get("Content-Encoding") == "gzip":
            self._encoding = _Gzip(self._gzip_level)
        try:
            await self._write_backfill()
            await self._write_on()
            await self._acknowledged()
            await response.write_eof(self._encoding.rest())
        except ConnectionError:
            pass
        finally:
            self.end()
            for mark, group in groupby(self._unacknowledged, key=lambda sent: sent[2]):
                messages = [message for _, message, _ in group]
                self._truth.miss(_now(), self.number, self.token, "in doubt", messages, mark)

    async def _write_backfill(self) -> None:
        while not self.ended and (step := list(islice(self._backfill, _BACKFILL_STEP))):
            if messages := [message for message in step if message is not None]:
                await self.write(self.encode(messages))
                self._note(messages, BY_BACKFILL)
            # The posts before may be many, and other streams wait.
            await asyncio.sleep(0)

    async def _write_on(self) -> None:
        while not self.ended:
            due, passing = self.faults.on_stream(self.token)
            if due and await stream_faults.happen(self, due):
                continue
            if copies := self._due_copies():
                await self.write(self.encode(copies))
                self._note(copies, BY_DUPLICATE)
            elif messages := self._next(passing):
                await self.forward(messages, takes=len(messages))
            elif (quiet := self.quiet_seconds()) <= 0:
                await self.write(self.encode([b""]))
            else:
                await self.woken(min(quiet, _ACKNOWLEDGE_SECONDS) if self._unacknowledged else quiet)
            self._forget_acknowledged()

    def _next(self, passing: int) -> list[bytes]:
        """The messages to write together, at most so many.

        They stay queued until the write has returned. A write that is cut short leaves them unsent, though a
        part may have reached the client, who then has more than the truth says and never less.
        """
        most = min(passing, *(copy.after for copy in self._copies)) if self._copies else passing
        messages: list[bytes] = []
        size = 0
        for message in islice(self.queue, most):
            messages.append(message)
            size += len(message)
            if size >= _LARGEST_WRITE:
                break
        return messages

    def _due_copies(self) -> list[bytes]:
        if not self._copies:
            return []
        due = [copy.message for copy in self._copies if copy.after <= 0]
        self._copies = [copy for copy in self._copies if copy.after > 0]
        return due

    def _note(self, messages: list[bytes], mark: Mark) -> None:
        """Record messages whose write has returned."""
        self._truth.record(_now(), self.number, self.token, messages, mark)
        self.sent += len(messages)
        self._unacknowledged.extend((self._written, message, mark) for message in messages)

    def _take(self, count: int, besides: Armed | None) -> list[bytes]:
        taken = [self.queue.popleft() for _ in range(count)]
        self.queued_bytes -= sum(map(len, taken))
        self._room.set()
        self.faults.passed(self.token, count, besides)
        for copy in self._copies:
            copy.after -= count
        return taken

    def _forget_acknowledged(self) -> None:
        if self._unacknowledged and self._transport is not None and not self._transport.is_closing():
            reached = self._written - _in_flight(self._transport)
            while self._unacknowledged and self._unacknowledged[0][0] <= reached:
                self._unacknowledged.popleft()

    def unsent(self) -> list[bytes]:
        """What was still queued when the stream ended."""
        return list(self.queue)

    def encode(self, lines: list[bytes]) -> bytes:
        """Lines as they go over the wire."""
        return self.encode_part(_CRLF.join([*lines, b""]))

    def encode_part(self, part: bytes) -> bytes:
        """A part of a line as it goes over the wire."""
        return self._encoding.encode(part)

    async def write(self, payload: bytes) -> None:
        """Write encoded bytes; raises ConnectionError where the client has gone."""
        await self._response.write(payload)
        self._written += len(payload)
        self._spoken = time.monotonic()

    async def forward(
        self, messages: list[bytes], *, takes: int, mark: Mark = AS_DUE, besides: Armed | None = None
    ) -> None:
        """Write messages that stand for the next `takes` of the queue; `besides` is the fault that acts."""
        await self.write(self.encode(messages))
        self.forwarded(messages, takes=takes, mark=mark, besides=besides)

    def forwarded(
        self, messages: list[bytes], *, takes: int, mark: Mark = AS_DUE, besides: Armed | None = None
    ) -> None:
        """Record what `forward` would have written."""
        self._take(takes, besides)
        self._note(messages, mark)

    def withhold(self, cause: str, besides: Armed) -> None:
        """Take the next message of the queue and never send it."""
        self._truth.miss(_now(), self.number, self.token, cause, self._take(1, besides))

    def copy_later(self, message: bytes, after: int) -> None:
        """Send a message once more, so many messages later."""
        self._copies.append(_Copy(message, after))

    def quiet_seconds(self) -> float:
        """How long nothing need be said yet; 0 or less: a keep-alive is due."""
        return self._spoken + self._keep_alive - time.monotonic()

    async def woken(self, seconds: float) -> None:
        """Wait until there is something new to look at, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def reset(self) -> None:
        """Reset the connection, after a time for the client's kernel to acknowledge what was sent."""
        await self._acknowledged()
        if self._transport is not None and not self._transport.is_closing():
            client = self._transport.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETTING)
        self.abort()

    async def _acknowledged(self) -> None:
        """Give the client's kernel a time to acknowledge all that was sent."""
        deadline = time.monotonic() + _LONGEST_ACKNOWLEDGEMENT
        while self._transport is not None and not self._transport.is_closing():
            self._forget_acknowledged()
            if not _in_flight(self._transport) or time.monotonic() > deadline:
                return
            await asyncio.sleep(_ACKNOWLEDGE_STEP)


class _Copy:
    def __init__(self, message: bytes, after: int) -> None:
        self.message, self.after = message, after


def _in_flight(transport: asyncio.Transport) -> int:
    """Bytes of a connection that its client's kernel has not acknowledged."""
    client = transport.get_extra_info("socket")
    (unsent,) = struct.unpack("i", fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, b"\0" * 4))
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
