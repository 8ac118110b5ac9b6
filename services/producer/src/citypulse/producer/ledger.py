"""The proof that nothing is lost: *journaled - topic* and *sent by X - topic* are empty.

Ids are compared, topic by topic, as sets. Messages go through the same function that the sender uses, so that
what was never meant for a topic (another's rules, no post at all) is not looked for there. What is older than
the topic's retention reaches back is not judged, and counted as such.
"""

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from citypulse.producer import message
from citypulse.producer.config import Config
from citypulse.producer.errors import BadInputError, StopError
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.message import Parse, UnusableError
from citypulse.producer.send import brokers
from citypulse.producer.stream import rules

_SHOWN = 5

Ids = dict[str, dict[int, int]]
"""When each id was last received (ms since the epoch), by topic."""


class Account(msgspec.Struct):
    """One side of the ledger against the topics."""

    name: str
    messages: int = 0
    ids: int = 0
    expired: int = 0
    """Ids that are older than the topic reaches back, and so are not judged."""
    foreign: int = 0
    """Messages that no rule of ours matched."""
    no_posts: int = 0
    """Messages that hold no post, such as an error that X reports in its stream."""
    unusable: int = 0
    """Posts that no event could be made of: they are not counted."""
    missing: int = 0
    in_doubt: int = 0
    """Of the missing: sent on a connection that broke before the bytes were acknowledged."""
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
    judged: bool
    """Whether the topics still reach back to any of the messages that are ours."""
    well: bool
    """Something could be judged, and nothing is missing, corrupt or unusable."""


class Topic(NamedTuple):
    """What a topic holds."""

    ids: Counter[int]
    """How often each id is there."""
    reaches_back_to: int
    """What was received later than this (ms since the epoch) retention has not taken; 0: it took nothing."""


class _Post(msgspec.Struct):
    data: msgspec.Raw


class _Ids(msgspec.Struct):
    id: int


class _Delivered(msgspec.Struct):
    at: int = 0
    message: msgspec.Raw = msgspec.Raw()
    cause: str = ""


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
    kept: Ids = defaultdict(dict)
    journaled = Account("journaled")
    # What is missing without a trace is looked for here: pruning may go on meanwhile, up to the cursor.
    reader = Reader(
        directory, 0, lambda name, _o, data, _r: corrupt.extend([name] if data else ()), tombstones=True
    )
    while records := reader.read(None, 10_000, 16 << 20):
        times += [records[0].at, records[-1].at]
        corrupt += _absent(directory, end, records)
        end = records[-1].sequence + 1
        _count(((record.payload, record.at) for record in records), parse, journaled, kept)
    reader.close()
    if not segment.paths(directory):
        raise BadInputError(
            f"journal.dir = {directory} holds no journal: give the one that the producer writes"
        )
    if (cursor.load(directory) or 0) > end > 0:
        corrupt.append("the journal ends before its cursor")
    accounts = [(journaled, kept)]
    doubtful: Ids = defaultdict(dict)
    if truths:
        delivered: Ids = defaultdict(dict)
        account = Account("sent by replay")
        for truth in truths:
            _count(_delivered(truth), parse, account, delivered)
            doubts = truth.with_name(truth.name + ".undelivered")
            if doubts.exists():
                _count(_delivered(doubts, "in doubt"), parse, Account("in doubt"), doubtful)
        accounts.append((account, delivered))
    unsent = _wait_for_cursor(directory, end, wait)
    wanted = {config.topic(feed.topic) for feed in config.feeds} | {t for _, ids in accounts for t in ids}
    topics = {topic: _read(config, topic) for topic in sorted(wanted)}
    for account, ids in accounts:
        _subtract(account, ids, topics, doubtful)
    judged = all(account.ids > account.expired for account, _ in accounts if account.messages)
    return Report(
        accounts=[account for account, _ in accounts],
        topics={topic: found.ids.total() for topic, found in topics.items()},
        duplicates=sum(found.ids.total() - len(found.ids) for found in topics.values()),
        unsent=unsent,
        corrupt=len(corrupt),
        kept_from=min(times, default=None),
        kept_to=max(times, default=None),
        judged=judged,
        well=judged
        and not corrupt
        and not any(account.missing or account.unusable for account, _ in accounts),
    )


def _count(messages: Iterable[tuple[bytes, int]], parse: Parse, account: Account, ids: Ids) -> None:
    for payload, at in messages:
        if not payload:
            # It was forgotten on request.
            continue
        account.messages += 1
        try:
            deliveries = parse(payload, at).deliveries
        except UnusableError:
            if _is_post(payload):
                account.unusable += 1
            else:
                account.no_posts += 1
            continue
        account.foreign += not deliveries
        for topic, event in deliveries:
            ids[topic][event.id] = max(at, ids[topic].get(event.id, 0))


def _absent(directory: Path, expected: int, records: Sequence[Record]) -> list[str]:
    """A line for each stretch of sequences that neither the journal nor Kafka has."""
    found = []
    acknowledged = cursor.load(directory) or 1
    for record in records:
        if record.sequence > max(expected, acknowledged):
            found.append(f"{max(expected, acknowledged)} to {record.sequence - 1}")
        expected = record.sequence + 1
    return found


def _is_post(payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload, type=_Post)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _delivered(truth: Path, cause: str = "") -> Iterator[tuple[bytes, int]]:
    decoder = msgspec.json.Decoder(_Delivered)
    with truth.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                # Being written.
                return
            try:
                found = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise BadInputError(f"--truth {truth}: line {number} is not replay's: {error}") from error
            if (payload := bytes(found.message)) and found.cause == cause:
                yield payload, found.at


def _wait_for_cursor(directory: Path, end: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while (left := end - (cursor.load(directory) or 0)) > 0 and time.monotonic() < until:
        time.sleep(0.2)
    return max(left, 0)


def _read(config: Config, topic: str) -> Topic:
    ids: Counter[int] = Counter()
    decoder = msgspec.json.Decoder(_Ids)
    oldest: dict[int, ConsumerRecord] = {}

    def take(record: ConsumerRecord) -> None:
        oldest.setdefault(record.partition, record)
        if record.value is not None:
            ids[decoder.decode(record.value).id] += 1

    began = int(time.time() * 1000)
    try:
        with contextlib.closing(
            brokers.consumer(config.kafka, f"citypulse-producer-{config.name}-ledger")
        ) as client:
            there = brokers.read_topic(client, topic, take, lambda: False)
            starts = client.beginning_offsets(client.assignment()) if there else {}
        retention = brokers.retention_ms(config.kafka, topic) if any(starts.values()) else 0
    except KafkaError as error:
        raise StopError(f"topic {topic} cannot be read: {type(error).__name__}: {error}") from error
    except msgspec.DecodeError as error:
        raise StopError(f"topic {topic} holds a record that is no event: {error}") from error
    if not there:
        raise StopError(f"topic {topic} does not exist on {', '.join(config.kafka.bootstrap_servers)}")
    # A partition's records stand in the order of their times, so what came after its oldest is all there; one
    # that is empty now has lost what was older than the retention time.
    reach = [
        oldest[partition.partition].timestamp if partition.partition in oldest else began - retention
        for partition, start in starts.items()
        if start > 0
    ]
    return Topic(ids, max(reach, default=0))


def _subtract(account: Account, ids: Ids, topics: dict[str, Topic], doubtful: Ids) -> None:
    for topic, found in topics.items():
        wanted = ids.get(topic, {})
        judged = {id_ for id_, at in wanted.items() if at > found.reaches_back_to}
        missing = judged - found.ids.keys()
        account.ids += len(wanted)
        account.expired += len(wanted) - len(judged)
        account.missing += len(missing)
        account.in_doubt += len(missing & doubtful.get(topic, {}).keys())
        account.extra += len(found.ids.keys() - wanted.keys())
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
        lines += _remarks(account)
    lines.append(_verdict(report))
    return "\n".join(lines)


def _remarks(account: Account) -> Iterator[str]:
    if account.expired:
        yield f"{account.name}: {account.expired} ids are older than Kafka's retention and were not judged"
    if account.no_posts:
        yield f"{account.name}: {account.no_posts} messages are no posts"
    if account.missing:
        yield f"{account.name}: missing {', '.join(map(str, account.examples))} …"
    if account.in_doubt:
        yield f"{account.name}: {account.in_doubt} of the missing were on a connection that broke"


def _verdict(report: Report) -> str:
    if report.well:
        return "well: nothing is missing"
    found = [
        what
        for what, is_so in (
            ("ids are missing", any(account.missing for account in report.accounts)),
            ("posts are unusable and not counted", any(account.unusable for account in report.accounts)),
            ("the journal is corrupt", report.corrupt),
            ("nothing could be judged", not report.judged),
        )
        if is_so
    ]
    return f"NOT WELL: {', '.join(found)}"
