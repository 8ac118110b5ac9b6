"""Shows a load test's result in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from citypulse.control.loadtest.limits import MOST
from citypulse.control.loadtest.result import Curve, Result
from citypulse.control.loadtest.verdict import BUSIEST_S, Footprint
from citypulse.control.steps import console


def show(result: Result, used: Sequence[Footprint]) -> None:
    """Print what became of the tweets, how fresh their numbers were, and what each process used."""
    for name, value in facts(result):
        console.print(f"[bold]{name}[/bold]: {escape(value)}")
    console.print(_table(used))
    console.print(f"{machine(result)} A peak of processors is that of the busiest {BUSIEST_S:.0f} s.")


def facts(result: Result) -> list[tuple[str, str]]:
    """What there is to say in words, each with its name."""
    sending, arrival = result.sending, result.arrival
    late, answered = sending.late_s, sending.answered_s
    accepted = sending.taken / result.seconds
    return [
        (
            "Accepted",
            f"{sending.taken:,} of {sending.planned:,} planned tweets, {accepted:,.1f} of {result.rate:,.1f}"
            f" a second; {arrival.delivered:,} of them have a place and went to the producer,"
            f" {arrival.in_kafka:,} are in Kafka, {arrival.counted:,} counted",
        ),
        (
            "Sent late",
            f"{sending.late_requests:,} of {sending.requests:,} requests by more than a second; half within"
            f" {_ms(late.p50)}, 99 % within {_ms(late.p99)}, all within {_ms(late.most)}",
        ),
        (
            "Answered",
            f"half within {_ms(answered.p50)}, 99 % within {_ms(answered.p99)}, all within"
            f" {_ms(answered.most)} of the planned moment",
        ),
        ("Freshness, received to row written", freshness(result)),
        (
            "Backlog when the last had left",
            f"{arrival.journal_backlog:,} in the journal, {arrival.kafka_backlog:,} not counted; all was"
            f" counted {arrival.drained_s:.0f} s later",
        ),
        ("Ledgers and recount", result.proof or "nothing is missing, no number is wrong"),
    ]


def freshness(result: Result) -> str:
    """Its quantiles in words."""
    if not any(result.freshness_s.values()):
        return "nothing was observed"
    return ", ".join(
        f"{name} {'beyond the last bound' if seconds is None else f'within {seconds:g} s'}"
        for name, seconds in result.freshness_s.items()
    )


def machine(result: Result) -> str:
    """What the whole machine used, in a sentence."""
    whole = result.machine
    return (
        f"The machine: {_most(whole.cpu_share):.0%} of {whole.cores} cores and"
        f" {_most(whole.memory_share):.0%} of {whole.memory / 1e9:.1f} GB at their peaks,"
        " everything on it included."
    )


def _table(used: Sequence[Footprint]) -> Table:
    table = Table(title=f"Processes with their children; at most {MOST:.0%} of a limit", title_justify="left")
    table.add_column("service")
    for column in ("cores, mean", "peak", "limit", "share", "MB, mean", "peak", "limit", "share"):
        table.add_column(column, justify="right")
    for one in used:
        table.add_row(
            one.service,
            f"{one.mean_cores:.2f}",
            f"{one.peak_cores:.2f}",
            f"{one.limit.cores:g}" if one.limit else "",
            _share(one.cores_share) if one.limit else "",
            f"{one.mean_mb:,.0f}",
            f"{one.peak_mb:,.0f}",
            f"{one.limit.memory_mb:,.0f}" if one.limit else "",
            _share(one.memory_share) if one.limit else "",
        )
    return table


def _share(share: float) -> str:
    return f"[red]{share:.0%}[/red]" if share > MOST else f"{share:.0%}"


def _most(curve: Curve) -> float:
    return max(curve.values, default=0.0)


def _ms(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{1000 * seconds:,.0f} ms"
