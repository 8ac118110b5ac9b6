"""One fault in force: whether it is armed, running or past, and when it is due to befall something.

A fault is armed when it is posted or its script says so, runs from when it first befalls something (a fault
with `seconds` and nothing to wait for: at once), and is past when its count or its time is used up or it is
deleted. Messages are counted by token, over all its streams, from when the fault was armed.
"""

import sys
import time
from collections import Counter
from typing import Any, Literal

import msgspec

from citypulse.replay.faults import Fault, Gap, MessageFault, StreamEvent

__all__ = ["ANY_NUMBER", "Armed", "now_ms"]

Json = dict[str, Any]

ANY_NUMBER = sys.maxsize
"""As many messages as there are may pass before a fault befalls one."""


class Armed:
    """One fault in force, and what it has done so far."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number, self.fault = number, fault
        self.armed_at = now_ms()
        self.begun_at: int | None = None
        self.ended_at: int | None = None
        self.befell = 0
        self.under_way = 0
        """How many streams are in its hands just now: stalled, dripping."""
        self._passed: Counter[str] = Counter()
        self._met: set[str] = set()

    @property
    def state(self) -> Literal["armed", "running", "past"]:
        """Where it is in its life."""
        if self.ended_at is not None:
            return "past"
        return "armed" if self.begun_at is None else "running"

    @property
    def over(self) -> bool:
        """Whether it has ended, and whoever is in its hands is to be let go."""
        return self.ended_at is not None

    @property
    def count(self) -> int:
        """How many messages, requests or events it befalls at most."""
        count = getattr(self.fault, "count", None)
        if count is not None:
            return int(count)
        return 1 if getattr(self.fault, "seconds", None) is None else ANY_NUMBER

    @property
    def used_up(self) -> bool:
        """Whether it has befallen as many as it may."""
        return self.befell >= self.count

    def concerns(self, token: str) -> bool:
        """Whether it is a fault of this token."""
        return not self.over and self.fault.token in ("", token)

    def passing(self, token: str) -> int:
        """How many messages of a token still pass before it befalls the next; 0: it is due."""
        fault = self.fault
        if self.used_up or not isinstance(fault, StreamEvent | MessageFault | Gap):
            return ANY_NUMBER
        if token not in self._met:
            due = fault.after_messages
        elif isinstance(fault, StreamEvent):
            due = fault.every
        else:
            due = fault.every - 1 if isinstance(fault, MessageFault) else 0
        return max(0, due - self._passed[token])

    def passed(self, token: str, messages: int) -> None:
        """Count messages that it let pass."""
        self._passed[token] += messages

    def meet(self, token: str) -> None:
        """Count that it befalls something of this token now."""
        self._met.add(token)
        self._passed[token] = 0
        self.befell += 1

    def shown(self) -> Json:
        """It as the control endpoint shows it; times in ms since the epoch."""
        return {
            "id": self.number,
            "state": self.state,
            "armed_at": self.armed_at,
            "begun_at": self.begun_at,
            "ended_at": self.ended_at,
            "befell": self.befell,
            "fault": msgspec.to_builtins(self.fault),
        }


def now_ms() -> int:
    """The time in ms since the epoch."""
    return int(time.time() * 1000)
