"""Are the tables right? Against the tweets of a file, or against anchors."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from cassandra import InvalidRequest
from cassandra.cluster import Session
from kafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from citypulse.events import messages
from citypulse.spark import kept, tables, topics
from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.verify import anchors, compare, records, report, stored
from citypulse.spark.verify.recount import recount
from citypulse.spark.verify.tally import WINDOW_MS, Recount


def against_tweets(
    config: Config,
    files: Sequence[Path],
    countries: frozenset[str] | None,
    place_country: str,
    *,
    retweets: bool,
) -> None:
    """Recount the files, in the order they were fed, and compare every filled cell of every filled table.

    Raises:
        StopError: something differs.
        BadInputError: a file holds no tweets, or the tables hold events of another source.
    """
    console = report.console()
    file = ", ".join(map(str, files))
    watermark_ms = int(config.watermark_minutes * 60_000)
    wanted = recount(_messages(files, console), countries, place_country, watermark_ms, retweets=retweets)
    console.print(f"{len(wanted.posts())} posts counted")
    found = _read(config)
    if not any(found.values()):
        raise StopError(
            f"the tables of {config.keyspace} are empty: has the job of this run counted anything yet?"
        )
    _check_source(config, console, file, wanted, found)
    result = compare.compare(compare.expected(wanted), found)
    report.show(console, result)
    if wanted.first_at is not None and wanted.last_at is not None:
        console.print(f"tweets from {report.time(wanted.first_at)} to {report.time(wanted.last_at)}")
    if result.differing and wanted.late:
        console.print(
            f"{wanted.late} posts are older by more than {config.watermark_minutes:g} minutes than what came"
            " before them: the job, which must forget, leaves such posts out"
        )
    if result.differing:
        raise StopError(f"{result.differing} of {result.cells} cells differ from the recount of {file}")


def against_anchors(config: Config, directory: Path) -> None:
    """Compare the table of cities' windows with anchors.

    Raises:
        StopError: something differs.
        BadInputError: the anchors cannot be read, or the tables hold events of another source.
    """
    console = report.console()
    wanted = anchors.read(directory)
    found = anchors.from_table(_read(config, "city_windows")["city_windows"])
    outside = anchors.outside(wanted, found)
    if outside:
        raise BadInputError(
            f"the tables of {config.keyspace} hold events of another source than {directory}:"
            f" {len(outside)} windows lie outside its time, the first at {outside[0]}"
        )
    differing = cells = 0
    for file, rows in wanted.items():
        missing, extra = rows - found[file], found[file] - rows
        cells += sum((rows | found[file]).values())
        differing += max(sum(missing.values()), sum(extra.values()))
        if missing or extra:
            shown = Table("city", "window", "count", "", title=file, title_justify="left")
            for what, some in (("missing", missing), ("too many", extra)):
                for city, date, count in sorted(some.elements(), key=lambda row: (row[1], row[0]))[
                    : report.SHOWN
                ]:
                    shown.add_row(city, date, str(count), what)
            console.print(shown)
    console.print(f"{cells} cells compared with the anchors in {directory}, {differing} differing")
    if differing:
        raise StopError(f"{differing} of {cells} cells differ from the anchors in {directory}")


def write_anchors(config: Config, directory: Path) -> None:
    """Write anchors from the table of cities' windows.

    Raises:
        BadInputError: the directory cannot be written.
    """
    rows = anchors.from_table(_read(config, "city_windows")["city_windows"])
    anchors.write(directory, rows)
    click.echo(f"{sum(sum(file.values()) for file in rows.values())} rows written to {directory}")


def _messages(files: Sequence[Path], console: Console) -> Iterator[messages.Message]:
    """What was fed, file by file; says what each held."""
    for file in files:
        report = messages.Report()
        try:
            if _is_truth(file):
                yield from messages.read(file, report)
            else:
                # Stored tweets arrive in the order of their creation, whatever their order in the file.
                stored_tweets, report = messages.load(file)
                yield from sorted(stored_tweets, key=lambda message: message.data.get("created_at") or "")
        except messages.BadFileError as error:
            raise BadInputError(f"--tweets: {error}") from error
        if not report.tweets:
            raise BadInputError(f"--tweets: {messages.reason_empty(file, report)}")
        console.print(f"{file}: {report.tweets} tweets")
        if report.bad_lines:
            console.print(f"  {report.bad_lines} lines are no tweets, the first: {report.first_bad}")


def _is_truth(file: Path) -> bool:
    try:
        with file.open("rb") as lines:
            return lines.readline(200).replace(b" ", b"").startswith(b'{"truth":')
    except OSError:
        return False


def _read(config: Config, *names: str) -> dict[str, stored.Rows]:
    with tables.session(config.cassandra) as session:
        return {name: _table(session, config.keyspace, name) for name in names or stored.KEYS}


def _table(session: Session, keyspace: str, name: str) -> stored.Rows:
    try:
        return stored.read(session, keyspace, name)
    except InvalidRequest as error:
        raise BadInputError(
            f"run: there is no table {keyspace}.{name} ({error.args[0]}): was the job of this run started?"
        ) from error


def _check_source(
    config: Config, console: Console, file: str, wanted: Recount, found: dict[str, stored.Rows]
) -> None:
    """Thousands of differences would say less than that something else was counted as well."""
    if wanted.first_at is None or wanted.last_at is None:
        raise BadInputError(
            f"--tweets: none of the tweets in {file} has a place, so there is nothing to compare"
        )
    first, last = wanted.first_at // WINDOW_MS * WINDOW_MS, wanted.last_at
    outside = sorted(key[2] for key in found["country_windows"] if not first <= key[2] <= last)
    if outside:
        raise BadInputError(
            f"the tables of {config.keyspace} hold events of another source than {file}:"
            f" {len(outside)} windows lie outside its time, the first at {report.time(outside[0])}"
        )
    try:
        counted = _topic(config)
    except (KafkaError, OSError, AssertionError) as error:
        console.print(
            f"the topics cannot be read ({type(error).__name__}), so only times tell of another source"
        )
        return
    ours = {(post, feed) for feed, posts in wanted.counted.items() for post in posts}
    foreign, absent = counted - ours, ours - counted
    if foreign:
        raise BadInputError(
            f"the tables of {config.keyspace} hold events of another source than {file}: {len(foreign)} of"
            f" {len(counted)} posts in {', '.join(config.prefixed_topics)} are not in it,"
            f" as {min(foreign)[0]}"
        )
    if absent:
        console.print(f"{len(absent)} counted posts are not in the topic (any more), as {min(absent)[0]}")


def _topic(config: Config) -> set[tuple[int, str]]:
    """Post and feed of all events in the run's topics that are to be counted."""
    result: set[tuple[int, str]] = set()
    consumer = topics.consumer(config.kafka, "citypulse-spark-verify")
    try:
        partitions = kept.partitions(consumer, config.prefixed_topics)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        for record in topics.read_to_end(consumer, partitions):
            one = records.read(record.value, record.timestamp)
            if one.post is not None:
                result |= {(one.post.post, feed) for feed in one.feeds}
    finally:
        consumer.close()
    return result
