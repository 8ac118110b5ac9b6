"""The ledger, for a person to read or a program."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from citypulse.producer.config import Config
from citypulse.producer.ledger.compare import compare
from citypulse.producer.ledger.report import Account, Report


def run(config: Config, truths: Sequence[Path], wait: float, as_json: bool) -> bool:
    """Compare and print.

    Args:
        config: of the producer whose ledger this is.
        truths: what replay says it has sent, file by file.
        wait: seconds to give to what is journaled and not sent.
        as_json: print JSON, for a program to read.

    Returns:
        Whether nothing is lost.

    Raises:
        StopError: there is nothing to compare, or the brokers do not answer.
    """
    report = compare(config, truths, wait)
    click.echo(msgspec.json.encode(report).decode() if as_json else _table(report))
    return report.well


def _table(report: Report) -> str:
    head = ("", "messages", "ids", "missing", "in gaps", "extra", "foreign", "unusable")
    rows = [
        (a.name, *map(str, (a.messages, a.ids, a.missing, a.in_gaps, a.extra, a.foreign, a.unusable)))
        for a in report.accounts
    ]
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    for topic, count in report.topics.items():
        lines.append(f"topic {topic}: {count} records")
    lines.append(f"duplicates {report.duplicates}, unsent {report.unsent}, corrupt {report.corrupt}")
    lines.append(f"gaps {report.gaps}, of which {report.open_gaps} are open")
    if report.kept_from is not None and report.kept_to is not None:
        span = " to ".join(
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))
            for at in (report.kept_from, report.kept_to)
        )
        lines.append(f"the journal keeps what was received from {span}")
    for account in report.accounts:
        lines += _remarks(account)
    lines.append(_verdict(report))
    return "\n".join(lines)


def _remarks(account: Account) -> Iterator[str]:
    if account.expired:
        yield f"{account.name}: {account.expired} ids are older than Kafka's retention and were not judged"
    if account.no_posts:
        yield f"{account.name}: {account.no_posts} messages are no posts"
    if account.forgotten:
        yield f"{account.name}: {account.forgotten} posts were removed on demand"
    if account.missing:
        yield f"{account.name}: missing {', '.join(map(str, account.examples))} …"


def _verdict(report: Report) -> str:
    if report.well:
        known = sum(account.in_gaps for account in report.accounts)
        return "well: nothing is missing" + (f" but {known} ids in open gaps" if known else "")
    found = [
        what
        for what, is_so in (
            ("ids are missing", any(account.unexplained for account in report.accounts)),
            ("posts are unusable and not counted", any(account.unusable for account in report.accounts)),
            ("the journal is corrupt", report.corrupt),
            ("nothing could be judged", not report.judged),
        )
        if is_so
    ]
    return f"NOT WELL: {', '.join(found)}"
