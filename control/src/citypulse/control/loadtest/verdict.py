"""Judges a load test: whether all came that was sent, and what each process used at its peak of its limit."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from citypulse.control.loadtest import limits as limits_
from citypulse.control.loadtest.limits import MOST, Limit
from citypulse.control.loadtest.result import Curve, Process, Result

BUSIEST_S = 30.0
"""A peak of processors is the busiest span of at least so many seconds: any moment may have all cores."""

LATE_SHARE = 0.01
"""The share of requests that may leave late before the load was another than the one that was planned."""


class Footprint(NamedTuple):
    """What a service used: means and peaks, in cores and MB; and its limit, where it has one."""

    service: str
    mean_cores: float
    peak_cores: float
    mean_mb: float
    peak_mb: float
    limit: Limit | None

    @property
    def cores_share(self) -> float:
        """The peak as a share of the limit; 0 where there is none."""
        return self.peak_cores / self.limit.cores if self.limit else 0.0

    @property
    def memory_share(self) -> float:
        """The same of memory."""
        return self.peak_mb / self.limit.memory_mb if self.limit else 0.0


def footprints(processes: list[Process], limits: Mapping[str, Limit]) -> list[Footprint]:
    """What each service used, the one nearest to a limit first."""
    found = [_footprint(process, limits) for process in processes if len(process.cpu_s.at) > 1]
    return sorted(found, key=lambda one: (-max(one.cores_share, one.memory_share), one.service))


def _footprint(process: Process, limits: Mapping[str, Limit]) -> Footprint:
    memory = [value / 1e6 for value in process.resident.values]
    return Footprint(
        service=process.service,
        mean_cores=busiest(process.cpu_s, float("inf")),
        peak_cores=busiest(process.cpu_s, BUSIEST_S),
        mean_mb=sum(memory) / len(memory) if memory else 0.0,
        peak_mb=max(memory, default=0.0),
        limit=limits_.of(process.service, limits),
    )


def busiest(cpu_s: Curve, span_s: float) -> float:
    """Cores in use over the busiest span of at least so many seconds, or over all where all is shorter."""
    at, used = cpu_s.at, cpu_s.values
    if len(at) < 2:
        return 0.0
    most, first, found = 0.0, 0, False
    for last in range(1, len(at)):
        while first + 1 < last and at[last] - at[first + 1] >= span_s:
            first += 1
        if at[last] - at[first] >= span_s:
            found = True
            most = max(most, (used[last] - used[first]) / (at[last] - at[first]))
    return most if found else (used[-1] - used[0]) / (at[-1] - at[0])


def cores(cpu_s: Curve) -> Curve:
    """Cores in use between each two samples, at the second one's time."""
    steps = list(pairwise(zip(cpu_s.at, cpu_s.values, strict=True)))
    return Curve([after[0] for _, after in steps], [(b[1] - a[1]) / (b[0] - a[0]) for a, b in steps])


def faults(result: Result, limits: Mapping[str, Limit]) -> list[str]:
    """A sentence for each thing that is not as it should be; none where all is well."""
    sending = result.sending
    found = [result.proof] if result.proof else []
    if sending.taken < sending.planned:
        why = ", ".join(f"{reason} ({count} requests)" for reason, count in sending.reasons.items())
        found.append(
            f"{sending.planned - sending.taken:,} of {sending.planned:,} planned tweets were not accepted:"
            f" {why or 'they never left'}."
        )
    if sending.late_requests > LATE_SHARE * sending.requests:
        found.append(
            f"{sending.late_requests:,} of {sending.requests:,} requests left more than a second late, up to"
            f" {sending.late_s.most:.1f} s: this machine cannot send RATE={result.rate:g} beside what it"
            " loads; lower RATE."
        )
    for one in footprints(result.processes, limits):
        found += _over(one, limits)
    return found


def _over(one: Footprint, limits: Mapping[str, Limit]) -> list[str]:
    if one.limit is None:
        return []
    name = f"{limits_.VARIABLE}.{limits_.name_of(one.service, limits)}"
    found = []
    if one.memory_share > MOST:
        found.append(
            f"{one.service} had {one.peak_mb:,.0f} MB resident at its peak,"
            f" {_beyond(one.memory_share, f'{one.limit.memory_mb:,.0f} MB', f'{name}.memory_mb')}"
        )
    if one.cores_share > MOST:
        found.append(
            f"{one.service} used {one.peak_cores:.2f} cores in its busiest {BUSIEST_S:.0f} s,"
            f" {_beyond(one.cores_share, f'{one.limit.cores:g}', f'{name}.cores')}"
        )
    return found


def _beyond(share: float, limit: str, key: str) -> str:
    return f"{share:.0%} of its limit of {limit}, and {MOST:.0%} is allowed: lower RATE, or raise {key}."
