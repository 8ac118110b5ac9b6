"""Answers that serve many: each is asked for once, however many want it, and kept for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Cache(Generic[Answer]):
    """Answers by key. Of one event loop.

    An answer that failed is not kept: who comes after it asks anew.
    """

    def __init__(
        self,
        seconds: float,
        size: int,
        made: Callable[[], None],
        kept: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make an empty one.

        Args:
            seconds: how long an answer is kept.
            size: how many are kept; beyond, the oldest go.
            made, kept: called for each answer that is made, and for each that was.
            clock: tells seconds.
        """
        self._seconds, self._size, self._clock = seconds, size, clock
        self._made, self._found = made, kept
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Answer]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer, made by `make` unless it is kept or being made."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < self._seconds:
            self._found()
            return await asyncio.shield(kept[1])
        self._made()
        answer = asyncio.ensure_future(make())
        # Moved to the end: the oldest stand first.
        self._kept.pop(key, None)
        self._kept[key] = (now, answer)
        while len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]
        answer.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(answer)

    def _forget(self, key: Hashable, done: "asyncio.Future[Answer]") -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and self._kept.get(key, (0, None))[1] is done:
            del self._kept[key]
