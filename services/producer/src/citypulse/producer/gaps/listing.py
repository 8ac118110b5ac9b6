"""`citypulse-producer gaps`: the gaps of a journal's directory, beside a running producer or without one."""

import datetime
import time
from collections import Counter
from pathlib import Path

import click
import msgspec

from citypulse.events.gap import Gap
from citypulse.producer.gaps.file import GapFile


def run(directory: Path, *, only_open: bool, as_json: bool) -> None:
    """Print gaps and their sums.

    Args:
        directory: the journal's.
        only_open: whether those that are filled are left out.
        as_json: whether they are printed as JSON.
    """
    now = time.time_ns() // 1_000_000
    entries = GapFile(directory).entries.values()
    gaps = sorted((entry.gap for entry in entries), key=lambda gap: gap.start)
    shown = [gap for gap in gaps if gap.open or not only_open]
    if as_json:
        rows = [msgspec.to_builtins(gap) | {"open": gap.open} for gap in shown]
        totals = {
            "gaps": len(gaps),
            "seconds": sum(_seconds(gap, now) for gap in gaps),
            "seconds_by_cause": _by_cause(gaps, now),
            "open_gaps": sum(gap.open for gap in gaps),
            "open_seconds": sum(gap.remaining_ms(now) for gap in gaps) / 1000,
        }
        click.echo(msgspec.json.encode({"gaps": rows, "totals": totals}).decode())
        return
    for gap in shown:
        end = _time(gap.end) if gap.end else "until now"
        click.echo(
            f"{_time(gap.start)}  {end:<24}  {_seconds(gap, now):>10.1f} s  {gap.cause:<20}"
            f" {','.join(gap.feeds)}  {_state(gap)}"
        )
    for cause, seconds in _by_cause(gaps, now).items():
        click.echo(f"{cause}: {seconds:.1f} s")
    open_seconds = sum(gap.remaining_ms(now) for gap in gaps) / 1000
    click.echo(f"{len(gaps)} gaps, {sum(gap.open for gap in gaps)} open with {open_seconds:.1f} s")


def _state(gap: Gap) -> str:
    if not gap.open:
        return f"filled by {gap.filled_by}"
    return f"open: {gap.reason}" if gap.reason else "open"


def _seconds(gap: Gap, now: int) -> float:
    return ((now if gap.end is None else gap.end) - gap.start) / 1000


def _by_cause(gaps: list[Gap], now: int) -> dict[str, float]:
    seconds = Counter[str]()
    for gap in gaps:
        seconds[gap.cause] += _seconds(gap, now)  # type: ignore[assignment]
    return dict(seconds.most_common())


def _time(at: int) -> str:
    moment = datetime.datetime.fromtimestamp(at / 1000, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
