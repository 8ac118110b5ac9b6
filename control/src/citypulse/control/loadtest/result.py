"""What a load test found, in a form that is kept as JSON."""

from __future__ import annotations

import msgspec


class Sent(msgspec.Struct, kw_only=True):
    """Posts so many seconds after the beginning: how many were due, had left, were taken, had failed."""

    at: float
    planned: int
    sent: int
    taken: int
    failed: int
    late_s: float


class Times(msgspec.Struct):
    """Quantiles in seconds."""

    p50: float
    p99: float
    most: float
    p95: float | None = None


class Sending(msgspec.Struct, kw_only=True):
    """What became of the requests; times count from when each was planned to leave."""

    began: float
    """When the first was planned to leave, seconds since the epoch."""
    planned: int
    sent: int
    taken: int
    failed: int
    requests: int
    late_requests: int
    late_s: Times
    answered_s: Times
    reasons: dict[str, int]
    by_second: list[Sent]


class Curve(msgspec.Struct):
    """Values over seconds since the beginning."""

    at: list[float] = []
    values: list[float] = []


class Process(msgspec.Struct, kw_only=True):
    """What a service used with its children: processor seconds so far, bytes of resident memory."""

    service: str
    cpu_s: Curve
    resident: Curve


class Heap(msgspec.Struct):
    """The largest share of its heap that a JVM had in use, by Prometheus' job and instance."""

    job: str
    instance: str
    share: float


class Machine(msgspec.Struct, kw_only=True):
    """The whole machine: cores, bytes of memory, and the share of each that was used."""

    cores: int
    memory: int
    cpu_share: Curve
    memory_share: Curve


class Arrival(msgspec.Struct, kw_only=True):
    """How far posts had come: when the last had left, and at the end."""

    delivered: int
    """By replay, to the producer's stream."""
    in_kafka: int
    counted: int
    journal_backlog: int
    """Journaled and not acknowledged, when the last had left."""
    kafka_backlog: int
    """In Kafka and not counted, or not even in Kafka, when the last had left."""
    drained_s: float
    """From then until all was counted."""


class Result(msgspec.Struct, kw_only=True):
    """All of a load test."""

    rate: float
    seconds: float
    began: float
    """Seconds since the epoch."""
    lasted_s: float
    """From the beginning until all was counted."""
    revision: str
    sending: Sending
    arrival: Arrival
    flow: dict[str, Curve]
    """Posts by stage: journaled, acknowledged, counted."""
    freshness_s: dict[str, float | None]
    """From reception to row; None beyond the last bound or where nothing was observed."""
    proof: str
    """Empty where ledgers and recount hold, else the sentence that says what does not."""
    processes: list[Process]
    heaps: list[Heap]
    machine: Machine
