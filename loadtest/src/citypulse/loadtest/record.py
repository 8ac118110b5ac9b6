"""What became of the requests: how late each left, and how long after its planned time it was answered.

Times count from when a request was planned to leave, not from when it left: a sender that was held up would
else forgive the system what held it up.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import Any

from citypulse.loadtest.plan import Plan, Planned

LATE_S = 1.0
"""A request that leaves so long after its time is told as late: the load was not the one that was planned."""


class Record:
    """Counts posts and requests; times are seconds since the beginning."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sent = self._taken = self._failed = 0
        self._late = array("d")
        self._answered = array("d")
        self._reasons: Counter[str] = Counter()

    def left(self, planned: Planned, now: float) -> None:
        """A request leaves."""
        self._sent += planned.posts
        self._late.append(max(0.0, now - planned.at))

    def answered(self, planned: Planned, now: float, reason: str = "") -> None:
        """A request was answered; a `reason` says why its posts were not taken."""
        self._answered.append(now - planned.at)
        if reason:
            self._failed += planned.posts
            self._reasons[reason] += 1
        else:
            self._taken += planned.posts

    def so_far(self, now: float) -> dict[str, Any]:
        """Posts by what became of them, and the lateness of the last request in seconds."""
        return {
            "at": round(now, 3),
            "planned": self._plan.due(now),
            "sent": self._sent,
            "taken": self._taken,
            "failed": self._failed,
            "late_s": round(self._late[-1], 3) if self._late else 0.0,
        }

    def whole(self) -> dict[str, Any]:
        """All of it, when all is over. What was never answered counts as failed."""
        unanswered = len(self._late) - len(self._answered)
        reasons = dict(self._reasons)
        if unanswered:
            reasons["no answer"] = unanswered
        late, answered = sorted(self._late), sorted(self._answered)
        return {
            "planned": self._plan.posts,
            "sent": self._sent,
            "taken": self._taken,
            "failed": self._sent - self._taken,
            "requests": len(late),
            "late_requests": sum(one > LATE_S for one in late),
            "late_s": {"p50": _at(late, 0.5), "p99": _at(late, 0.99), "most": _at(late, 1)},
            "answered_s": {
                "p50": _at(answered, 0.5),
                "p95": _at(answered, 0.95),
                "p99": _at(answered, 0.99),
                "most": _at(answered, 1),
            },
            "reasons": reasons,
        }


def _at(ordered: list[float], share: float) -> float:
    """The smallest value that this share of all does not exceed; 0 where there is none."""
    if not ordered:
        return 0.0
    return round(ordered[math.ceil(share * len(ordered)) - 1], 4)
