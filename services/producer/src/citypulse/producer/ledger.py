"""The proof that nothing is lost: *journaled - topic* and *sent by X - topic* are empty.

Ids are compared, topic by topic, as sets. Messages go through the same function that the sender uses, so that
what was never meant for a topic (another's rules, no post at all) is not looked for there.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec
from kafka.errors import KafkaError

from citypulse.producer import brokers, message, rules
from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError, StopError
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.message import Parse, UnusableError

_SHOWN = 5

Ids = dict[str, Counter[int]]
"""How often each id is there, by topic."""


class Account(msgspec.Struct):
    """One side of the ledger against the topics."""

    name: str
    messages: int = 0
    ids: int = 0
    foreign: int = 0
    unusable: int = 0
    missing: int = 0
    extra: int = 0
    examples: list[int] = []
    """Some of the ids that are missing."""


class Report(msgspec.Struct):
    """What the ledger found."""

    accounts: list[Account]
    topics: dict[str, int]
    """Records in each topic."""
    duplicates: int
    """Records beyond the first of their id in their topic; harmless."""
    unsent: int
    """Records that were journaled before the ledger began, and are not acknowledged yet."""
    corrupt: int
    """Stretches of the journal that hold no sound record."""
    kept_from: int | None
    """When the oldest record that the journal keeps was read: ms since the epoch."""
    kept_to: int | None
    well: bool


class _Ids(msgspec.Struct):
    id: int


class _Delivered(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw()


def run(config: Config, truths: Sequence[Path], wait: float, as_json: bool) -> bool:
    """Compare and print.

    Args:
        config: of the producer whose ledger this is.
        truths: what replay says it has sent, file by file.
        wait: seconds to give to what is journaled and not sent.
        as_json: print JSON, for a program to read.

    Returns:
        Whether nothing is missing.

    Raises:
        StopError: there is nothing to compare, or the brokers do not answer.
    """
    report = compare(config, truths, wait)
    click.echo(msgspec.json.encode(report).decode() if as_json else _table(report))
    return report.well


def compare(config: Config, truths: Sequence[Path], wait: float) -> Report:
    """Do the work of `run`, without printing."""
    parse = message.parser(config, rules.configured(config))
    directory = Path(config.journal.dir)
    corrupt: list[str] = []
    times: list[int] = []
    # The journal first: what it holds now is what must be in the topics then.
    end = 0
    kept: Ids = defaultdict(Counter)
    journaled = Account("journaled")
    reader = Reader(directory, 1, lambda *gap: corrupt.append(gap[0]))
    while records := reader.read(None, 10_000, 16 << 20):
        times += [records[0].at, records[-1].at]
        end = records[-1].sequence + 1
        _count(((record.payload, record.at) for record in records), parse, journaled, kept)
    reader.close()
    if not segment.paths(directory):
        raise BadInputError(
            f"journal.dir = {directory} holds no journal: give the one that the producer writes"
        )
    accounts = [(journaled, kept)]
    if truths:
        delivered: Ids = defaultdict(Counter)
        account = Account("sent by replay")
        for truth in truths:
            _count(((payload, 0) for payload in _delivered(truth)), parse, account, delivered)
        accounts.append((account, delivered))
    unsent = _wait_for_cursor(directory, end, wait)
    wanted = {config.topic(feed.topic) for feed in config.feeds} | {t for _, ids in accounts for t in ids}
    topics = {topic: _read(config, topic) for topic in sorted(wanted)}
    for account, ids in accounts:
        _subtract(account, ids, topics)
    return Report(
        accounts=[account for account, _ in accounts],
        topics={topic: found.total() for topic, found in topics.items()},
        duplicates=sum(found.total() - len(found) for found in topics.values()),
        unsent=unsent,
        corrupt=len(corrupt),
        kept_from=min(times, default=None),
        kept_to=max(times, default=None),
        well=not any(account.missing for account, _ in accounts),
    )


def _count(messages: Iterable[tuple[bytes, int]], parse: Parse, account: Account, ids: Ids) -> None:
    for payload, at in messages:
        account.messages += 1
        try:
            deliveries = parse(payload, at).deliveries
        except UnusableError:
            account.unusable += 1
            continue
        account.foreign += not deliveries
        for topic, event in deliveries:
            ids[topic][event.id] += 1


def _delivered(truth: Path) -> Iterator[bytes]:
    decoder = msgspec.json.Decoder(_Delivered)
    with truth.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                # Being written.
                return
            try:
                found = decoder.decode(line).message
            except msgspec.DecodeError as error:
                raise BadInputError(f"--truth {truth}: line {number} is not replay's: {error}") from error
            if payload := bytes(found):
                yield payload


def _wait_for_cursor(directory: Path, end: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while (left := end - (cursor.load(directory) or 0)) > 0 and time.monotonic() < until:
        time.sleep(0.2)
    return max(left, 0)


def _read(config: Config, topic: str) -> Counter[int]:
    found: Counter[int] = Counter()
    decoder = msgspec.json.Decoder(_Ids)
    ids: list[int] = []

    def take(_key: bytes | None, value: bytes | None) -> None:
        if value is not None:
            ids.append(decoder.decode(value).id)

    try:
        client = brokers.consumer(config.kafka, f"citypulse-producer-{config.name}-ledger")
        there = brokers.read_topic(client, topic, take, lambda: False)
        client.close()
    except KafkaError as error:
        raise StopError(f"topic {topic} cannot be read: {type(error).__name__}: {error}") from error
    except msgspec.DecodeError as error:
        raise StopError(f"topic {topic} holds a record that is no event: {error}") from error
    if not there:
        raise StopError(f"topic {topic} does not exist on {', '.join(config.kafka.bootstrap_servers)}")
    found.update(ids)
    return found


def _subtract(account: Account, ids: Ids, topics: dict[str, Counter[int]]) -> None:
    for topic, found in topics.items():
        wanted = ids.get(topic, Counter()).keys()
        missing = wanted - found.keys()
        account.ids += len(wanted)
        account.missing += len(missing)
        account.extra += len(found.keys() - wanted)
        account.examples = [*account.examples, *sorted(missing)][:_SHOWN]


def _table(report: Report) -> str:
    head = ("", "messages", "ids", "missing", "extra", "foreign", "unusable")
    rows = [
        (a.name, *map(str, (a.messages, a.ids, a.missing, a.extra, a.foreign, a.unusable)))
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
    if report.kept_from is not None and report.kept_to is not None:
        span = " to ".join(
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))
            for at in (report.kept_from, report.kept_to)
        )
        lines.append(f"the journal keeps what was received from {span}")
    for account in report.accounts:
        if account.missing:
            lines.append(f"{account.name}: missing {', '.join(map(str, account.examples))} …")
    lines.append("well: nothing is missing" if report.well else "NOT WELL: ids are missing")
    return "\n".join(lines)
