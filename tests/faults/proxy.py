"""A TCP proxy that can cut, delay, throttle and reset what passes: networks as they are on bad days."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = 64 << 10


@dataclass
class Weather:
    """How the network is; changes count from the next block on."""

    cut: bool = False
    """Nothing passes and nobody gets in: connections neither end nor move, as behind a firewall."""
    delay_seconds: float = 0.0
    """How much later each block arrives."""
    bytes_per_second: float = 0.0
    """Towards the broker; 0: no limit."""
    reset_after_bytes: int = 0
    """A connection that has sent so many bytes to the broker is reset in mid-request; 0: never."""


class Proxy:
    """Listens on one port and passes everything on to another, in a thread of its own."""

    def __init__(self, port: int, target: int) -> None:
        self.weather = Weather()
        self.resets = 0
        self._port, self._target = port, target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """End all connections and the thread; the port is free when it returns."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def _end(self) -> None:
        # Who connected a moment ago is let in first, so that its end is a close and not a silence.
        await asyncio.sleep(0.05)
        self._server.close()
        while passing := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in passing:
                task.cancel()
            await asyncio.wait(passing)
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Only stop() cancels it: that is an end like any other, not an error to be printed.
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            await self._while_cut()
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(onward_writer):
                both = (
                    asyncio.create_task(self._pass(reader, onward_writer, writer, to_broker=True)),
                    asyncio.create_task(self._pass(onward_reader, writer, onward_writer, to_broker=False)),
                )
                try:
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in both:
                        task.cancel()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
        *,
        to_broker: bool,
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while block := await reader.read(_BLOCK):
                await self._while_cut()
                weather = self.weather
                if weather.delay_seconds:
                    await asyncio.sleep(weather.delay_seconds)
                if to_broker and weather.bytes_per_second:
                    await asyncio.sleep(len(block) / weather.bytes_per_second)
                passed += len(block)
                if to_broker and weather.reset_after_bytes and passed > weather.reset_after_bytes:
                    self.resets += 1
                    writer.write(block[: len(block) // 2])
                    await writer.drain()
                    _reset(back)
                    _reset(writer)
                    return
                writer.write(block)
                await writer.drain()

    async def _while_cut(self) -> None:
        while self.weather.cut:
            await asyncio.sleep(0.05)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash does: with a reset, not in an orderly way."""
    end: socket.socket = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def proxies(ports: list[tuple[int, int]]) -> Iterator[list[Proxy]]:
    """Proxies for these pairs of a port and its target, while the block runs."""
    made = [Proxy(port, target) for port, target in ports]
    for proxy in made:
        proxy.start()
    try:
        yield made
    finally:
        for proxy in made:
            proxy.stop()
