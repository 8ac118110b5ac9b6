"""Results of load tests that were never run."""

from __future__ import annotations

from citypulse.control.loadtest.result import (
    Arrival,
    Curve,
    Heap,
    Machine,
    Process,
    Result,
    Sending,
    Sent,
    Times,
)


def process(service: str, cores: float = 0.1, mb: float = 100, seconds: int = 60) -> Process:
    """A service that used so many cores and so much memory all the time."""
    at = [float(second) for second in range(0, seconds + 1, 5)]
    return Process(
        service=service,
        cpu_s=Curve(at, [7 + cores * one for one in at]),
        resident=Curve(at, [mb * 1e6 for _ in at]),
    )


def result(*processes: Process, proof: str = "", taken: int = 12_000, late: int = 0) -> Result:
    """A load test of 200 a second for a minute."""
    reasons = {"HTTP 500": 3} if taken < 12_000 else {}
    return Result(
        rate=200,
        seconds=60,
        began=1_800_000_000,
        lasted_s=72,
        revision="abc",
        sending=Sending(
            began=1_800_000_000,
            planned=12_000,
            sent=12_000,
            taken=taken,
            failed=12_000 - taken,
            requests=3_000,
            late_requests=late,
            late_s=Times(0.0004, 0.02, 2.5 if late else 0.03),
            answered_s=Times(0.003, 0.04, 0.06, 0.02),
            reasons=reasons,
            by_second=[
                Sent(at=at, planned=200 * at, sent=200 * at, taken=200 * at, failed=0, late_s=0)
                for at in range(61)
            ],
        ),
        arrival=Arrival(
            delivered=11_700,
            in_kafka=11_700,
            counted=11_700,
            journal_backlog=12,
            kafka_backlog=950,
            drained_s=9,
        ),
        flow={
            "journaled": Curve([0, 60], [0, 11_700]),
            "acknowledged": Curve(),
            "counted": Curve([72], [11_700]),
        },
        freshness_s={"50 %": 4.0, "95 %": 8.0, "99 %": None},
        proof=proof,
        processes=list(processes),
        heaps=[Heap("kafka", "127.0.0.1:9411", 0.61)],
        machine=Machine(
            cores=2, memory=8_000_000_000, cpu_share=Curve([0, 5], [0.5, 0.9]), memory_share=Curve([0], [0.4])
        ),
    )
