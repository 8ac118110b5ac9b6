"""Quantiles out of a histogram."""

from __future__ import annotations

import math

from citypulse.control.metrics import quantile, value


def _histogram(counts: dict[str, float]) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {"wait_bucket": [({"le": bound}, count) for bound, count in counts.items()]}


def test_a_quantile_is_the_bound_of_the_bucket_it_falls_in() -> None:
    samples = _histogram({"1.0": 50, "5.0": 98, "+Inf": 100})
    assert quantile(samples, "wait", 0.5) == 1
    assert quantile(samples, "wait", 0.98) == 5
    assert quantile(samples, "wait", 0.99) == math.inf


def test_nothing_observed_has_no_quantile() -> None:
    assert quantile(_histogram({"1.0": 0, "+Inf": 0}), "wait", 0.5) is None
    assert quantile(None, "wait", 0.5) is None


def test_a_value_is_the_sum_over_its_labels() -> None:
    assert value({"n": [({"a": "1"}, 2.0), ({"a": "2"}, 3.0)]}, "n") == 5
    assert value(None, "n") == 0
