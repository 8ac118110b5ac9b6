"""What should be in the topics, less what is.

Ids are compared, topic by topic, as sets. Messages go through the same function that the sender uses, so that
what was never meant for a topic (another's rules, no post at all) is not looked for there. What is older than
the topic's retention reaches back is not judged, and counted as such.
"""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from citypulse.events.gap import Gap
from citypulse.producer import message
from citypulse.producer.config import Config
from citypulse.producer.journal import cursor
from citypulse.producer.ledger import sources, topics
from citypulse.producer.ledger.report import Account, Report
from citypulse.producer.ledger.sources import Ids
from citypulse.producer.ledger.topics import Topic
from citypulse.producer.routes import Routes
from citypulse.producer.stream import rules

_SHOWN = 5


def compare(config: Config, truths: Sequence[Path], wait: float) -> Report:
    """Hold both ledgers.

    Args:
        config: of the producer whose ledger this is.
        truths: what replay says it has sent, file by file.
        wait: seconds to give to what is journaled and not sent.

    Raises:
        StopError: there is nothing to compare, or the brokers do not answer.
    """
    directory = Path(config.journal.dir)
    parse = message.parser(config, rules.configured(config), Routes(directory) or None)
    # The journal first: what it holds now is what must be in the topics then.
    journal = sources.journaled(directory, parse)
    accounts = [(journal.account, journal.ids)]
    if truths:
        accounts.append(sources.sent(truths, parse))
    unsent = _wait_for_cursor(directory, journal.end, wait)
    gaps = sources.gaps(directory)
    named = {topic for _, ids in accounts for topic in ids} - {sources.RETWEETS, sources.WATCHED}
    wanted = named | {config.topic(feed.topic) for feed in config.feeds}
    held = {topic: topics.read(config, topic) for topic in sorted(wanted)}
    _subtract(*accounts[0], held, [])
    for account, ids in accounts[1:]:
        _subtract(account, ids, held, gaps)
    judged = all(account.ids > account.expired for account, _ in accounts if account.messages)
    return Report(
        accounts=[account for account, _ in accounts],
        topics={topic: found.ids.total() for topic, found in held.items()},
        duplicates=sum(found.ids.total() - len(found.ids) for found in held.values()),
        unsent=unsent,
        corrupt=len(journal.corrupt),
        gaps=len(gaps),
        open_gaps=sum(gap.open for gap in gaps),
        kept_from=journal.span[0] if journal.span else None,
        kept_to=journal.span[1] if journal.span else None,
        judged=judged,
        well=judged
        and not journal.corrupt
        and not any(account.unexplained or account.unusable for account, _ in accounts),
    )


def _wait_for_cursor(directory: Path, end: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while (left := end - (cursor.load(directory) or 0)) > 0 and time.monotonic() < until:
        time.sleep(0.2)
    return max(left, 0)


def _subtract(account: Account, ids: Ids, held: dict[str, Topic], gaps: Sequence[Gap]) -> None:
    all_topics = Topic(
        sum((found.ids for found in held.values()), Counter()),
        max((found.reaches_back_to for found in held.values()), default=0),
    )
    retweets = ids.get(sources.RETWEETS, {}).keys() | ids.get(sources.WATCHED, {}).keys()
    for topic, found in (*held.items(), (sources.RETWEETS, all_topics), (sources.WATCHED, all_topics)):
        wanted = ids.get(topic, {})
        judged = {id_ for id_, times in wanted.items() if max(times) > found.reaches_back_to}
        missing = judged - found.ids.keys()
        filled_too = topic == sources.WATCHED
        in_gaps = {id_ for id_ in missing if all(_in_a_gap(at, gaps, filled_too) for at in wanted[id_])}
        account.ids += len(wanted)
        account.expired += len(wanted) - len(judged)
        account.missing += len(missing)
        account.in_gaps += len(in_gaps)
        if topic in held:
            account.extra += len(found.ids.keys() - wanted.keys() - retweets)
        account.lost = account.lost | missing
        account.unknown = account.unknown | missing - in_gaps
        account.examples = [*account.examples, *sorted(missing - in_gaps), *sorted(in_gaps)][:_SHOWN]


def _in_a_gap(at: int, gaps: Sequence[Gap], filled_too: bool) -> bool:
    """Whether X sent at a time that is known not to have been received, and was not filled since; or was."""
    return any(
        (gap.open or filled_too) and gap.start <= at and (gap.end is None or at <= gap.end) for gap in gaps
    )
