"""How hard to push: a circuit between the journal and Kafka.

```
             pressure              trouble
   closed ────────────► slowed ──────────────► open ◄──────┐
      ▲  ◄────────────    │     trouble          │         │ no acknowledgement in time
      │     relief        └─────────────────►    │ waited  │
      └───────────────────────────────────── half-open ────┘
                acknowledged
```

closed: as much in flight as the buffer holds. slowed: half of it, for Kafka takes less than comes. open:
nothing is handed over. half-open: a few records, to see whether they are acknowledged. Each signal has a
threshold at which it trips and a lower one at which it lets go, so that no state flickers. The journal
receives everything in every state.

Nothing here reads a clock or a client: `observe` is told what is, and when.
"""

from collections import deque
from typing import Literal, NamedTuple

import structlog

from citypulse.producer import metrics
from citypulse.producer.config import Circuit as Thresholds

log = structlog.get_logger()

State = Literal["closed", "slowed", "open", "half_open"]


class Signals(NamedTuple):
    """What is, at a moment."""

    now: float
    """Monotonic seconds."""
    in_flight: float
    """Share of the in-flight buffer that is taken."""
    journaled: int
    """Sequence before which every record is in the journal."""
    acknowledged: int
    """Sequence before which Kafka has acknowledged every record."""
    acknowledgements: int
    """Events that Kafka has acknowledged so far; unlike the sequence it never goes back."""
    errors: int
    """Failures so far: records that were given up, hand-overs without metadata."""
    unacknowledged_seconds: float
    """Age of the oldest record in flight."""
    blocked: str
    """Why brokers would not acknowledge; empty where they would."""
    anything_in_flight: bool


class Circuit:
    """The state, and the reason of its last change."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._past: deque[Signals] = deque()
        self._since = 0.0
        self._wait = thresholds.open_seconds
        self._progress = 0
        self.state: State = "closed"
        self.reason = ""
        """Why it is not closed."""

    def share(self) -> float:
        """How much of the in-flight buffer may be used: 1, a half, or none; half-open, see `probing`."""
        return {"closed": 1.0, "slowed": 0.5, "open": 0.0, "half_open": 0.0}[self.state]

    @property
    def probing(self) -> bool:
        """Whether only a few records may be in flight, to see what becomes of them."""
        return self.state == "half_open"

    def observe(self, signals: Signals) -> None:
        """Take note of what is, and change the state where that asks for it."""
        limits = self._thresholds
        self._past.append(signals)
        while signals.now - self._past[0].now > limits.window_seconds and len(self._past) > 2:
            self._past.popleft()
        acknowledged = signals.acknowledgements > self._progress
        if self.state == "open":
            waited = signals.now - self._since >= self._wait and not signals.blocked
            # What was in flight already is the best probe there is.
            if acknowledged or waited:
                self._change("half_open", signals, self.reason)
        elif self.state == "half_open":
            self._probe(signals, acknowledged)
        elif trouble := self._trouble(signals):
            self._change("open", signals, trouble)
        elif self.state == "closed" and (pressure := self._pressure(signals)):
            self._change("slowed", signals, pressure)
        elif self.state == "slowed" and self._relieved(signals):
            self._change("closed", signals, "")
        for name, value in (
            ("in_flight", signals.in_flight),
            ("publish_share", self._publish_share()),
            ("error_rate", self._error_rate()),
            ("unacknowledged_seconds", signals.unacknowledged_seconds),
        ):
            metrics.circuit_signal.labels(name).set(value)

    def _probe(self, signals: Signals, acknowledged: bool) -> None:
        limits = self._thresholds
        calm = signals.unacknowledged_seconds < limits.unacknowledged_low_seconds and not signals.blocked
        idle = not signals.anything_in_flight and signals.journaled <= signals.acknowledged
        if calm and (acknowledged or idle):
            self._wait = limits.open_seconds
            self._change("closed", signals, "")
        elif signals.blocked or signals.now - self._since > limits.unacknowledged_high_seconds:
            self._wait = min(self._wait * 2, limits.open_max_seconds)
            self._change("open", signals, signals.blocked or "the probe was not acknowledged")

    def _trouble(self, signals: Signals) -> str:
        limits = self._thresholds
        if signals.blocked:
            return signals.blocked
        if signals.unacknowledged_seconds >= limits.unacknowledged_high_seconds:
            return f"the oldest record was not acknowledged for {signals.unacknowledged_seconds:.0f} s"
        if (rate := self._error_rate()) >= limits.error_rate_high:
            return f"{rate:.0%} of the attempts failed"
        return ""

    def _pressure(self, signals: Signals) -> str:
        limits = self._thresholds
        full = all(past.in_flight >= limits.in_flight_high for past in self._past)
        if not full or signals.now - self._past[0].now < limits.window_seconds * 0.9:
            return ""
        share = self._publish_share()
        return f"Kafka takes {share:.0%} of what comes" if share < limits.publish_share_low else ""

    def _relieved(self, signals: Signals) -> bool:
        limits = self._thresholds
        if signals.now - self._since < limits.window_seconds:
            return False
        return self._publish_share() >= limits.publish_share_high or signals.in_flight <= limits.in_flight_low

    def _publish_share(self) -> float:
        """What was acknowledged within the window, as a share of what was journaled."""
        first, last = self._past[0], self._past[-1]
        came = last.journaled - first.journaled
        return (last.acknowledged - first.acknowledged) / came if came > 0 else 1.0

    def _error_rate(self) -> float:
        first, last = self._past[0], self._past[-1]
        errors = last.errors - first.errors
        tried = errors + last.acknowledgements - first.acknowledgements
        return errors / tried if tried else 0.0

    def _change(self, state: State, signals: Signals, reason: str) -> None:
        tell = log.warning if state in ("open", "slowed") else log.info
        tell("circuit: changed", state=state, before=self.state, reason=reason or None)
        self.state, self.reason, self._since = state, reason, signals.now
        self._progress = signals.acknowledgements
        # What a state did does not count in the next one.
        self._past.clear()
        self._past.append(signals)
        metrics.circuit_changes.labels(state).inc()
        metrics.circuit_state.state(state)
