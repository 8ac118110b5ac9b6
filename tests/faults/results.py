"""What each fault of this run came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from citypulse.producer.ledger import Report
from tests.faults.registry import Fault


class _Result(NamedTuple):
    fault: Fault
    report: Report
    seconds: float
    notes: tuple[str, ...]


_results: list[_Result] = []


def add(fault: Fault, report: Report, seconds: float, notes: Sequence[str]) -> None:
    """A fault has run, and its ledgers were held."""
    _results.append(_Result(fault, report, seconds, tuple(notes)))


def table() -> Iterator[str]:
    """A line a fault, and what they come to together."""
    if not _results:
        return
    width = max(len(result.fault.name) for result in _results)
    yield f"{'fault':{width}}  {'ids':>8}  {'missing':>7}  {'in gaps':>7}  {'copies':>6}  {'s':>4}"
    ids = missing = explained = 0
    for fault, report, seconds, notes in _results:
        checked = max(account.ids for account in report.accounts)
        lost = sum(account.unexplained for account in report.accounts)
        known = sum(account.in_gaps for account in report.accounts)
        ids, missing, explained = ids + checked, missing + lost, explained + known
        line = f"{fault.name:{width}}  {checked:>8,}  {lost:>7}  {known:>7}  {report.duplicates:>6,}"
        yield f"{line}  {seconds:>4.0f}  {'; '.join(notes)}".rstrip()
    yield f"{len(_results)} faults, {ids:,} ids checked, {missing} missing, {explained} in recorded gaps"
