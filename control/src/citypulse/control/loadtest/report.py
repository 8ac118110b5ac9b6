"""Writes a load test's result as one HTML file that needs nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from citypulse.control.loadtest import summary
from citypulse.control.loadtest.drawing import Line, picture
from citypulse.control.loadtest.limits import MOST
from citypulse.control.loadtest.result import Curve, Process, Result
from citypulse.control.loadtest.verdict import BUSIEST_S, Footprint, cores

_TEMPLATE = Path(__file__).with_name("report.html.j2")
_WIDE, _HIGH = 1080, 220
_SMALL_WIDE, _SMALL_HIGH = 240, 36


def write(path: Path, result: Result, used: Sequence[Footprint], faults: Sequence[str]) -> None:
    """Write the report; `faults` are the sentences of what is not as it should be."""
    draft = path.with_suffix(".new")
    draft.write_text(page(result, used, faults), encoding="utf-8")
    draft.replace(path)


def page(result: Result, used: Sequence[Footprint], faults: Sequence[str]) -> str:
    """The report."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(result.began))
    by_service = {process.service: process for process in result.processes}
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        result=result,
        began=began,
        faults=faults,
        facts=summary.facts(result),
        machine=summary.machine(result),
        flow=_flow(result),
        whole=_machine(result),
        rows=[_row(one, by_service[one.service], result.lasted_s) for one in used],
        most=MOST,
        busiest_s=BUSIEST_S,
    )


def _flow(result: Result) -> Any:
    sent = result.sending.by_second
    times = [max(0.0, line.at) for line in sent]
    planned = Curve(times, [float(line.planned) for line in sent])
    taken = Curve(times, [float(line.taken) for line in sent])
    lines = [Line("planned", planned, "planned"), Line("accepted", taken, "taken")]
    lines += [Line(stage, curve, stage) for stage, curve in result.flow.items()]
    return {
        "lines": lines,
        "top": max((max(line.curve.values, default=0.0) for line in lines), default=0.0),
        "picture": picture(
            lines,
            seconds=result.lasted_s,
            top=float(result.sending.planned),
            limit=None,
            width=_WIDE,
            height=_HIGH,
            says="Tweets over time, by stage",
        ),
    }


def _machine(result: Result) -> Any:
    lines = [
        Line("processors", result.machine.cpu_share, "cpu"),
        Line("memory", result.machine.memory_share, "memory"),
    ]
    return picture(
        lines,
        seconds=result.lasted_s,
        top=1.0,
        limit=MOST,
        width=_WIDE,
        height=_HIGH // 2,
        says="Share of the machine's processors and memory in use over time",
    )


def _row(one: Footprint, process: Process, seconds: float) -> Any:
    used_cores = cores(process.cpu_s)
    memory = Curve(process.resident.at, [value / 1e6 for value in process.resident.values])
    return {
        "used": one,
        "cpu": _small(used_cores, "cpu", one.limit.cores if one.limit else None, seconds, "cores"),
        "memory": _small(memory, "memory", one.limit.memory_mb if one.limit else None, seconds, "MB"),
        "cpu_over": one.cores_share > MOST,
        "memory_over": one.memory_share > MOST,
    }


def _small(curve: Curve, style: str, limit: float | None, seconds: float, unit: str) -> Any:
    top = max(curve.values, default=0.0)
    return picture(
        [Line(f"at most {top:,.2f} {unit}", curve, style)],
        seconds=seconds,
        top=max(top, limit or 0.0),
        limit=MOST * limit if limit else None,
        width=_SMALL_WIDE,
        height=_SMALL_HIGH,
        says=f"{unit} over time, at most {top:,.2f}",
    )
