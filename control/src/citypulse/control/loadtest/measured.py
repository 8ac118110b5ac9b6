"""Fetches from Prometheus what each process used, and how the posts came along."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import psutil

from citypulse.control import prometheus
from citypulse.control.faults import Fault
from citypulse.control.installation import Installation
from citypulse.control.loadtest.footprint import CPU, RESIDENT, SEEN
from citypulse.control.loadtest.result import Curve, Heap, Machine, Process
from citypulse.control.prometheus import Series

_STEP_S = 5.0
_FLOW = {
    "journaled": "citypulse_producer_accepted_total",
    "acknowledged": "citypulse_producer_acknowledged_total",
    "counted": "citypulse_spark_records_total",
}
_IDLE = 'rate(node_cpu_seconds_total{mode="idle"}[15s])'
_AVAILABLE = "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes"
_HEAP = 'jvm_memory_used_bytes{area="heap"} / jvm_memory_max_bytes{area="heap"}'


def wait_for_scrape(inst: Installation, moment: float, longest_s: float = 60.0) -> None:
    """Wait until Prometheus has the services as they were at `moment` (since the epoch) or later."""
    until = time.monotonic() + longest_s
    while time.monotonic() < until:
        seen = prometheus.samples(inst.address(9090), SEEN, moment - 60, time.time())
        if any(value >= moment for series in seen for _, value in series.samples):
            return
        time.sleep(1.0)
    raise Fault(
        f"Prometheus has heard nothing of the services for {longest_s:.0f} s: make status shows whether"
        " prometheus and node-exporter run."
    )


def processes(inst: Installation, began: float, ended: float) -> list[Process]:
    """What each service used from `began` to `ended`, seconds since the epoch."""
    # What was seen before the end is scraped a little after it.
    seen, cpu, resident = (
        prometheus.samples(inst.address(9090), name, began, time.time()) for name in (SEEN, CPU, RESIDENT)
    )
    return paired(seen, cpu, resident, began, ended)


def paired(
    seen: Iterable[Series], cpu: Iterable[Series], resident: Iterable[Series], began: float, ended: float
) -> list[Process]:
    """The samples of services, each at the time at which it was seen instead of that of its scrape.

    A scrape has what was seen up to some seconds before it: as a time base it would make the processors'
    use swing.
    """
    when = {scraped: value for series in seen for scraped, value in series.samples}
    uses = [_by_service(one, when, began, ended) for one in (cpu, resident)]
    return [
        Process(service=service, cpu_s=uses[0][service], resident=uses[1][service])
        for service in sorted(uses[0])
    ]


def _by_service(
    found: Iterable[Series], when: dict[float, float], began: float, ended: float
) -> dict[str, Curve]:
    curves: dict[str, Curve] = defaultdict(Curve)
    for series in found:
        curve = curves[series.labels["service"]]
        for scraped, value in series.samples:
            at = when.get(scraped)
            # Two scrapes may find the same file.
            if at is not None and began <= at <= ended and not (curve.at and at - began <= curve.at[-1]):
                curve.at.append(at - began)
                curve.values.append(value)
    return curves


def flow(inst: Installation, began: float, ended: float) -> dict[str, Curve]:
    """Posts by stage over time, of the named run."""
    address = inst.address(9090)
    return {
        stage: _sum(prometheus.samples(address, f'{name}{{run="named"}}', began, ended), began)
        for stage, name in _FLOW.items()
    }


def machine(inst: Installation, began: float, ended: float) -> Machine:
    """The machine's processors and memory over time."""
    address = inst.address(9090)

    def share(expression: str) -> Curve:
        return _sum(prometheus.curve(address, expression, began, ended, _STEP_S), began)

    return Machine(
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        cpu_share=share(f"1 - avg({_IDLE})"),
        memory_share=share(f"1 - avg({_AVAILABLE})"),
    )


def heaps(inst: Installation, began: float, ended: float) -> list[Heap]:
    """The most that each JVM's heap held, as far as it tells, the fullest first."""
    found = prometheus.curve(inst.address(9090), _HEAP, began, ended, _STEP_S)
    return sorted(
        (
            Heap(one.labels.get("job", ""), one.labels.get("instance", ""), max(v for _, v in one.samples))
            for one in found
            if one.samples
        ),
        key=lambda heap: -heap.share,
    )


def _sum(found: Sequence[Series], began: float) -> Curve:
    """One curve of all series, at the times of the first."""
    if not found:
        return Curve()
    first, *others = found
    values = [value for _, value in first.samples]
    for other in others:
        at_same = dict(other.samples)
        values = [value + at_same.get(at, 0.0) for (at, _), value in zip(first.samples, values, strict=True)]
    return Curve([at - began for at, _ in first.samples], values)
