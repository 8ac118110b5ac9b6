"""What should be in the topics: what the journal holds, and what replay says X has sent."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from citypulse.events.event import Event
from citypulse.events.gap import Gap
from citypulse.producer.errors import BadInputError
from citypulse.producer.gaps.file import GapFile
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.ledger.report import Account
from citypulse.producer.message import Parse, UnusableError
from citypulse.producer.retweets.originals import retweeted
from citypulse.producer.stream.rules import is_feed

Ids = dict[str, dict[int, list[int]]]
"""When each id was received or sent (ms since the epoch, each time), by topic."""
RETWEETS, WATCHED = "retweets", "watched retweets"
"""In place of a topic: a retweet is in those of its original, which only the sender knew; and one that came
because its original was watched, which recent search is not asked for.
"""


class Journaled(NamedTuple):
    """What the journal holds."""

    account: Account
    ids: Ids
    corrupt: list[str]
    """A line for each stretch that is no sound record, or is missing without a trace."""
    end: int
    """The sequence after the last record."""
    span: tuple[int, int] | None
    """When the first and the last of them were received: ms since the epoch."""


class _Post(msgspec.Struct):
    data: msgspec.Raw


class _Sent(msgspec.Struct):
    at: int = 0
    token: str = ""
    message: msgspec.Raw = msgspec.Raw()
    cause: str = ""


def gaps(directory: Path) -> list[Gap]:
    """The stretches in which posts may not have been received, as the producer has recorded them."""
    return [entry.gap for entry in GapFile(directory).entries.values()]


def journaled(directory: Path, parse: Parse) -> Journaled:
    """Read a journal, beside its writer.

    Raises:
        BadInputError: there is none.
    """
    corrupt: list[str] = []
    times: list[int] = []
    end = 0
    ids: Ids = defaultdict(dict)
    account = Account("journaled")
    # What is missing without a trace is looked for here: pruning may go on meanwhile, up to the cursor.
    reader = Reader(
        directory, 0, lambda name, _o, data, _r: corrupt.extend([name] if data else ()), tombstones=True
    )
    while records := reader.read(None, 10_000, 16 << 20):
        times += [records[0].at, records[-1].at]
        corrupt += _absent(directory, end, records)
        end = records[-1].sequence + 1
        _count(((record.payload, record.at) for record in records), parse, account, ids)
    reader.close()
    if not segment.paths(directory):
        raise BadInputError(
            f"journal.dir = {directory} holds no journal: give the one that the producer writes"
        )
    if (cursor.load(directory) or 0) > end > 0:
        corrupt.append("the journal ends before its cursor")
    return Journaled(account, ids, corrupt, end, (min(times), max(times)) if times else None)


def sent(truths: Sequence[Path], parse: Parse) -> tuple[Account, Ids]:
    """Read what replay wrote down: what it sent and, after a token's first delivery, what it could not.

    Raises:
        BadInputError: a file is none of replay's.
    """
    account = Account("sent by replay")
    ids: Ids = defaultdict(dict)
    for truth in truths:
        since: dict[str, int] = {}
        _count(_delivered(truth, since), parse, account, ids)
        missed = truth.with_name(truth.name + ".undelivered")
        if missed.exists():
            _count(_missed(missed, since), parse, account, ids)
    return account, ids


def _delivered(truth: Path, since: dict[str, int]) -> Iterator[tuple[bytes, int]]:
    for one in _lines(truth):
        since.setdefault(one.token, one.at)
        yield bytes(one.message), one.at


def _missed(missed: Path, since: dict[str, int]) -> Iterator[tuple[bytes, int]]:
    for one in _lines(missed):
        # What came before a token's first stream was nobody's to receive; what is in doubt counts as sent.
        if one.cause != "in doubt" and one.at >= since.get(one.token, one.at + 1):
            yield bytes(one.message), one.at


def _lines(path: Path) -> Iterator[_Sent]:
    decoder = msgspec.json.Decoder(_Sent)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                # Being written.
                return
            try:
                found = decoder.decode(line)
            except msgspec.DecodeError as error:
                raise BadInputError(f"--truth {path}: line {number} is not replay's: {error}") from error
            if bytes(found.message):
                yield found


def _count(messages: Iterable[tuple[bytes, int]], parse: Parse, account: Account, ids: Ids) -> None:
    for payload, at in messages:
        account.messages += 1
        if not payload:
            account.forgotten += 1
            continue
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
            ids[_whereabouts(topic, event)].setdefault(event.id, []).append(at)


def _whereabouts(topic: str, event: Event) -> str:
    if retweeted(event) is None:
        return topic
    return RETWEETS if all(map(is_feed, event.feeds)) else WATCHED


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
