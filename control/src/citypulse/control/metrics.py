"""Reads what a service exposes at /metrics."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Samples = Mapping[str, list[tuple[Mapping[str, str], float]]]
"""Sample name → its label sets with their values."""


def scrape(address: str, timeout_s: float = 5.0) -> Samples | None:
    """All samples that `address` (host:port) exposes now, or None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=timeout_s) as response:
            text = response.read().decode()
    except OSError:
        return None
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return samples


def value(samples: Samples | None, name: str) -> float:
    """The sum over all label sets of one sample; 0 where it is not there."""
    return sum(v for _, v in (samples or {}).get(name, []))


def quantile(samples: Samples | None, name: str, q: float) -> float | None:
    """The `q` quantile of a histogram, in its unit: the upper bound of the bucket it falls in.

    None where nothing was observed; infinity where it lies beyond the last finite bucket.
    """
    buckets: dict[float, float] = {}
    for labels, count in (samples or {}).get(f"{name}_bucket", []):
        bound = float(labels["le"])
        buckets[bound] = buckets.get(bound, 0.0) + count
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    return next(bound for bound in sorted(buckets) if buckets[bound] >= q * total)
