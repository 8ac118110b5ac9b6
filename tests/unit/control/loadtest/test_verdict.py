"""When a load test passes."""

from __future__ import annotations

import pytest

from citypulse.control.loadtest.limits import Limit
from citypulse.control.loadtest.result import Curve
from citypulse.control.loadtest.verdict import busiest, cores, faults, footprints

from .made import process, result

LIMITS = {"kafka": Limit(1, 500), "spark-worker": Limit(2, 2000)}


def test_all_well_is_well() -> None:
    assert faults(result(process("kafka1", 0.8, 400), process("replay-load", 9, 9000)), LIMITS) == []


def test_a_peak_beyond_80_percent_is_named_with_process_value_and_limit() -> None:
    over = faults(result(process("kafka1", 0.1, 401), process("kafka2", 0.85, 100)), LIMITS)
    assert over == [
        "kafka2 used 0.85 cores in its busiest 30 s, 85% of its limit of 1, and 80% is allowed:"
        " lower RATE, or raise citypulse_limits.kafka.cores.",
        "kafka1 had 401 MB resident at its peak, 80% of its limit of 500 MB, and 80% is allowed:"
        " lower RATE, or raise citypulse_limits.kafka.memory_mb.",
    ]


def test_the_proof_comes_first_and_what_was_not_accepted_is_counted_with_its_reason() -> None:
    found = faults(result(proof="It does not hold.", taken=11_990, late=31), LIMITS)
    assert found == [
        "It does not hold.",
        "10 of 12,000 planned tweets were not accepted: HTTP 500 (3 requests).",
        "31 of 3,000 requests left more than a second late, up to 2.5 s: this machine cannot send RATE=200"
        " beside what it loads; lower RATE.",
    ]
    assert faults(result(late=30), LIMITS) == []


def test_the_one_nearest_to_its_limit_stands_first_and_those_without_one_last() -> None:
    used = footprints(
        [process("a", 2, 9000), process("kafka1", 0.1, 100), process("spark-worker1", 1.5, 100)], LIMITS
    )
    assert [one.service for one in used] == ["spark-worker1", "kafka1", "a"]
    assert used[0].peak_cores == pytest.approx(1.5)
    assert used[0].cores_share == pytest.approx(0.75)


def test_the_busiest_half_minute_is_not_a_busy_moment() -> None:
    """Two cores for 10 s, then none: a third of that over half a minute."""
    at = [float(second) for second in range(0, 121, 5)]
    used = Curve(at, [2 * min(second, 10) for second in at])
    assert busiest(used, 30) == pytest.approx(20 / 30)
    assert busiest(used, 10) == pytest.approx(2)
    assert busiest(used, float("inf")) == pytest.approx(20 / 120)


def test_samples_that_are_apart_still_make_a_span() -> None:
    used = Curve([0, 20, 45, 50], [0, 20, 20, 25])
    assert busiest(used, 30) == pytest.approx(20 / 45)
    assert busiest(Curve([3], [1]), 30) == 0


def test_cores_are_those_between_two_samples() -> None:
    assert cores(Curve([0, 5, 15], [1, 6, 16])) == Curve([5, 15], [1, 1])
