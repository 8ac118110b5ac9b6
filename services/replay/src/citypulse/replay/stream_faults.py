"""How faults happen to a connected stream, between two of its writes.

Each function gets the stream, the fault in force and its parameters. It returns False where it must wait for
a message, and is asked again when there is one. What befalls is counted before anything is written, since of
two streams that one fault could befall only one may meet it.
"""

import random
import time
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from citypulse.replay import problems
from citypulse.replay.armed import Armed
from citypulse.replay.faults import (
    Cut,
    CutMidLine,
    DeadConnection,
    Disconnect,
    Disorder,
    Drip,
    Duplicate,
    ErrorInStream,
    Malformed,
    NoPlace,
    NoTag,
    Stall,
)
from citypulse.replay.truth import NO_PLACE, NO_TAG, Mark

if TYPE_CHECKING:
    from citypulse.replay.connection import Connection

__all__ = ["happen"]

# How often a dripping stream writes.
_DRIP_SECONDS = 0.1
_NOT_JSON = b"<html><body>503 Service Temporarily Unavailable</body></html>"
# No line end and no UTF-8 in it.
_BINARY = bytes([0x00, 0xFF, 0xFE, 0x80, 0x1F, 0x8B, 0xC3, 0x28, 0xF0, 0x90]) * 4


async def happen(stream: "Connection", due: list[Armed]) -> bool:
    """Make the first of these faults happen that need not wait; False where all wait for a message."""
    for armed in due:
        if await _HAPPENINGS[type(armed.fault)](stream, armed, armed.fault):
            return True
    return False


async def _disconnect(stream: "Connection", armed: Armed, _: Disconnect) -> bool:
    stream.faults.befall(armed, stream.token)
    stream.end()
    return True


async def _cut(stream: "Connection", armed: Armed, _: Cut) -> bool:
    stream.faults.befall(armed, stream.token)
    await stream.reset()
    return True


async def _cut_mid_line(stream: "Connection", armed: Armed, fault: CutMidLine) -> bool:
    if not stream.queue:
        return False
    stream.faults.befall(armed, stream.token)
    await stream.write(stream.encode_part(_half(stream.queue[0])))
    if fault.clean:
        stream.end()
    else:
        await stream.reset()
    return True


async def _stall(stream: "Connection", armed: Armed, fault: Stall) -> bool:
    until = time.monotonic() + fault.seconds
    with stream.faults.in_hands(armed, stream.token):
        while not _let_go(stream, armed, until):
            await stream.woken(until - time.monotonic())
    return True


async def _drip(stream: "Connection", armed: Armed, fault: Drip) -> bool:
    until = time.monotonic() + fault.seconds
    with stream.faults.in_hands(armed, stream.token):
        while not _let_go(stream, armed, until):
            if stream.queue:
                message = stream.queue[0]
                await _drop_by_drop(stream, armed, fault, until, stream.encode([message]))
                if not stream.ended:
                    stream.forwarded([message], takes=1, besides=armed)
            elif stream.quiet_seconds() <= 0:
                await _drop_by_drop(stream, armed, fault, until, stream.encode([b""]))
            else:
                await stream.woken(min(until - time.monotonic(), stream.quiet_seconds()))
    return True


async def _drop_by_drop(
    stream: "Connection", armed: Armed, fault: Drip, until: float, payload: bytes
) -> None:
    """Write all of it, unless the stream ends: slowly, and once the fault lets go at once."""
    pause = max(_DRIP_SECONDS, 1 / fault.bytes_per_second)
    size = int(fault.bytes_per_second * pause)
    while payload and not stream.ended:
        if _let_go(stream, armed, until):
            size = len(payload)
        await stream.write(payload[:size])
        payload = payload[size:]
        next_drop = min(until, time.monotonic() + pause)
        while not _let_go(stream, armed, next_drop):
            await stream.woken(next_drop - time.monotonic())


async def _error_in_stream(stream: "Connection", armed: Armed, fault: ErrorInStream) -> bool:
    stream.faults.befall(armed, stream.token)
    body = problems.in_stream(fault.error, fault.disconnect_type)
    await stream.write(stream.encode([msgspec.json.encode(body)]))
    stream.end()
    return True


async def _dead_connection(stream: "Connection", armed: Armed, fault: DeadConnection) -> bool:
    stream.faults.bury(armed, stream.token, stream.number, fault.seconds)
    stream.faults.befall(armed, stream.token)
    while fault.silent and stream.faults.is_dead(stream.number) and not stream.ended:
        await stream.woken(fault.seconds)
    await stream.reset()
    return True


async def _malformed(stream: "Connection", armed: Armed, fault: Malformed) -> bool:
    if not stream.queue:
        return False
    stream.faults.befall(armed, stream.token)
    message = stream.queue[0]
    if fault.kind == "truncated":
        await stream.write(stream.encode([_half(message)]))
        stream.withhold("malformed", armed)
    else:
        await stream.write(stream.encode([_NOT_JSON if fault.kind == "text" else _BINARY, message]))
        stream.forwarded([message], takes=1, besides=armed)
    return True


async def _no_tag(stream: "Connection", armed: Armed, _: NoTag) -> bool:
    def without_tags(message: Any) -> None:
        for rule in message["matching_rules"]:
            rule.pop("tag", None)

    return await _altered(stream, armed, without_tags, NO_TAG)


async def _no_place(stream: "Connection", armed: Armed, _: NoPlace) -> bool:
    def without_places(message: Any) -> None:
        if message.get("includes", {}).pop("places", None) and not message["includes"]:
            del message["includes"]

    return await _altered(stream, armed, without_places, NO_PLACE)


async def _altered(stream: "Connection", armed: Armed, alter: Callable[[Any], None], mark: Mark) -> bool:
    if not stream.queue:
        return False
    stream.faults.befall(armed, stream.token)
    message = msgspec.json.decode(stream.queue[0])
    alter(message)
    await stream.forward([msgspec.json.encode(message)], takes=1, mark=mark, besides=armed)
    return True


async def _duplicate(stream: "Connection", armed: Armed, fault: Duplicate) -> bool:
    if not stream.queue:
        return False
    stream.faults.befall(armed, stream.token)
    message = stream.queue[0]
    await stream.forward([message], takes=1, besides=armed)
    stream.copy_later(message, fault.later)
    return True


async def _disorder(stream: "Connection", armed: Armed, fault: Disorder) -> bool:
    window = list(islice(stream.queue, fault.window))
    # After the source's last message a window that is not full stays so.
    if len(window) < fault.window and not (window and stream.faults.source_ended):
        return False
    shuffler = random.Random(f"{fault.seed} {armed.befell}")  # noqa: S311
    stream.faults.befall(armed, stream.token)
    shuffler.shuffle(window)
    await stream.forward(window, takes=len(window), besides=armed)
    return True


def _half(message: bytes) -> bytes:
    return message[: len(message) // 2]


def _let_go(stream: "Connection", armed: Armed, until: float) -> bool:
    """Whether a stream in a fault's hands is free: time, stream or fault is over, or an event due."""
    return (
        time.monotonic() >= until
        or stream.ended
        or armed.over
        or stream.faults.event_due(stream.token, besides=armed)
    )


_HAPPENINGS: dict[type, Callable[["Connection", Armed, Any], Awaitable[bool]]] = {
    Disconnect: _disconnect,
    Cut: _cut,
    CutMidLine: _cut_mid_line,
    Stall: _stall,
    Drip: _drip,
    ErrorInStream: _error_in_stream,
    DeadConnection: _dead_connection,
    Malformed: _malformed,
    NoTag: _no_tag,
    NoPlace: _no_place,
    Duplicate: _duplicate,
    Disorder: _disorder,
}
