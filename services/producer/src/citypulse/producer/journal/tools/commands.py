"""`citypulse-producer journal ls|verify|export|repair` and `citypulse-producer forget`."""

import datetime
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from citypulse.producer import config, logs
from citypulse.producer.errors import BadInputError
from citypulse.producer.journal import segment, setaside
from citypulse.producer.journal.tools import events, listing
from citypulse.producer.journal.tools import export as exports
from citypulse.producer.journal.tools import forget as forgetting
from citypulse.producer.journal.tools import repair as repairing
from citypulse.producer.journal.tools import verify as verifying
from citypulse.producer.journal.tools.whose import Wanted

_EPILOG = """\b
Examples:
  citypulse-producer journal ls --config producer.toml
  citypulse-producer journal verify --dir /var/lib/citypulse/journal
  citypulse-producer journal export --dir journal --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z
  citypulse-producer journal export --dir journal --from 1000 --with-meta --out messages.jsonl
  citypulse-producer journal export --config producer.toml --events --from 2026-01-31 --out events.jsonl
  citypulse-producer journal repair --dir journal --dry-run
  citypulse-producer forget --config producer.toml --user 12
  citypulse-producer forget --dir journal --tweet 1050118621198921728 --dry-run

Exit codes: 0 well, 1 failed or found a fault, 2 bad input, 3 X refused, 4 disk or memory short.
"""

_END = (1 << 63) - 1


@click.group(epilog=_EPILOG)
def journal() -> None:
    """Look into the journal, beside a running producer; or repair it."""


def _of_journal(function: Callable[..., Any]) -> Callable[..., Any]:
    path = click.Path(path_type=Path)
    for option in (
        click.option(
            "--dir", "directory", type=path, help="The journal's directory; else the configuration's."
        ),
        click.option("--config", "file", type=path, help="The producer's configuration."),
    ):
        function = option(function)
    return function


def _directory(directory: Path | None, file: Path | None) -> Path:
    logs.configure("error")
    if directory is None:
        directory = Path(config.load(file, config.environment()).journal.dir)
    if not directory.is_dir() or not segment.paths(directory):
        raise BadInputError(
            f"journal.dir = {directory} holds no journal: give the one that a producer writes"
        )
    return directory


@journal.command(epilog=_EPILOG)
@_of_journal
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def ls(directory: Path | None, file: Path | None, as_json: bool) -> None:
    """List the segments, and what was set aside.

    Only the newest segment is read: records are counted by their sequences.
    """
    found = listing.listing(_directory(directory, file))
    click.echo(msgspec.json.encode(found).decode() if as_json else _table(found))


@journal.command(epilog=_EPILOG)
@_of_journal
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def verify(directory: Path | None, file: Path | None, as_json: bool) -> None:
    """Read all of the journal; exit with 1 if anything in it is unsound."""
    verdict = verifying.verify(_directory(directory, file), _progress("verify"))
    if as_json:
        click.echo(msgspec.json.encode(verdict).decode())
    else:
        for one in verdict.findings:
            click.echo(f"{one.segment} at {one.offset}: {one.fault}")
        click.echo(
            f"{verdict.segments} segments, {verdict.records} records ({verdict.tombstones} forgotten),"
            f" {verdict.bytes} bytes: {_faults(verdict)}"
        )
    sys.exit(1 if verdict.findings else 0)


@journal.command(epilog=_EPILOG)
@_of_journal
@click.option("--from", "begin", default="0", help="A sequence, or a time: 2026-01-31T12:00:00Z.")
@click.option("--to", "end", default="", help="The same, of the first one that is not wanted.")
@click.option("--with-meta", is_flag=True, help='{"sequence":…,"at":ms,"payload":…} instead of the payload.')
@click.option(
    "--events",
    "as_events",
    is_flag=True,
    help="The events that Kafka got, for `citypulse-spark reprocess --journal`; needs --config.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A new file; else stdout.")
def export(
    directory: Path | None,
    file: Path | None,
    begin: str,
    end: str,
    with_meta: bool,
    as_events: bool,
    out: Path | None,
) -> None:
    """Write out payloads, byte for byte as X sent them, one a line.

    A payload that is no JSON is exported too; with --with-meta it is `base64`. With --events each is what the
    producer made of it, without its text; the first line says which time the file holds, and the brokers are
    asked which cities are known. Exits with 1 if something on the way is unsound.
    """
    path = _directory(directory, file)
    first, since = _bound("--from", begin, 0)
    last, until = _bound("--to", end, _END)
    exported = exports.Exported()
    if as_events:
        if with_meta or first or last != _END:
            raise BadInputError("--events goes with times alone: leave out --with-meta and sequences")
        if file is None:
            raise BadInputError("--events needs --config: it says what the rules of the messages mean")
        settings = config.load(file, config.environment())
        found = events.lines(settings, path, (since, until), events.known(settings), exported)
    else:
        found = exports.lines(path, (first, last), (since, until), with_meta, exported)
    with _output(out) as output:
        for line in found:
            output.write(line)
    unusable = f", {exported.unusable} records are no event" if as_events else ""
    click.echo(f"{exported.lines} exported, {exported.unsound} stretches are unsound{unusable}", err=True)
    sys.exit(1 if exported.unsound else 0)


@journal.command(epilog=_EPILOG)
@_of_journal
@click.option("--dry-run", is_flag=True, help="Change nothing; exit with 1 if there is something to do.")
def repair(directory: Path | None, file: Path | None, dry_run: bool) -> None:
    """Make the journal sound again, while no producer runs.

    Cuts a torn tail, sets what is no record aside in the quarantine, makes a header and a cursor that are
    lost anew. No record is lost by it.
    """
    path = _directory(directory, file)
    done = 0
    for line in repairing.repair(path, dry_run):
        done += 1
        click.echo(f"would be: {line}" if dry_run else line)
    if dry_run:
        click.echo(f"{done} things to do")
        sys.exit(1 if done else 0)
    verdict = verifying.verify(path, _progress("verify"))
    click.echo(f"{done} things done: {_faults(verdict)}")
    sys.exit(1 if verdict.findings else 0)


@click.command(epilog=_EPILOG)
@_of_journal
@click.option("--user", type=click.IntRange(min=1), help="Id of a user: all of their posts.")
@click.option("--tweet", type=click.IntRange(min=1), help="Id of a post, with all its versions.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
def forget(
    directory: Path | None, file: Path | None, user: int | None, tweet: int | None, dry_run: bool
) -> None:
    """Remove posts from the journal, its quarantine, dead letters and what is set aside.

    Messages that bring such a post or the user's profile along, or retweet the post, are removed with it.
    Works beside a running producer; what that receives later is not looked at.
    """
    if (user is None) == (tweet is None):
        raise BadInputError("give either --user or --tweet, an id of X")
    path = _directory(directory, file)
    found = forgetting.forget(path, Wanted(user, tweet), dry_run, _progress("forget"))
    click.echo(
        f"{'would remove' if dry_run else 'removed'}: {found.records} records of {found.segments} segments"
        f" ({found.unsent} not in Kafka yet), {found.unsound} unsound stretches,"
        f" {found.set_aside[setaside.QUARANTINE]} of the quarantine,"
        f" {found.set_aside[setaside.DEAD_LETTERS]} dead letters,"
        f" {found.set_aside[setaside.SET_ASIDE]} set aside"
    )


def _progress(what: str) -> verifying.Progress:
    """Says on a terminal how far a command is, in one line; nothing elsewhere."""

    def progress(number: int, count: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{what}: segment {number} of {count}", err=True, nl=number == count)

    return progress


def _bound(option: str, text: str, otherwise: int) -> tuple[int, int]:
    """A sequence and a time in ms since the epoch, of which the one not given is no bound."""
    if not text:
        return otherwise, otherwise
    if text.isascii() and text.isdigit():
        return int(text), otherwise
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(
            f"{option} = {text!r} is neither a sequence nor a time: write 1000 or 2026-01-31T12:00:00Z"
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=datetime.UTC)
    return otherwise, int(at.timestamp() * 1000)


def _output(out: Path | None) -> BinaryIO:
    if out is None:
        return open(sys.stdout.fileno(), "wb", closefd=False)
    try:
        return os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise BadInputError(f"--out = {out} cannot be made ({error.strerror}): give a new file") from error


def _faults(verdict: verifying.Verdict) -> str:
    return f"{len(verdict.findings)} faults" if verdict.findings else "sound"


def _table(found: listing.Listing) -> str:
    head = ("segment", "first", "records", "bytes", "created", "written", "acknowledged")
    rows = [
        (
            one.name,
            one.first,
            one.records,
            one.bytes,
            _time(one.created),
            _time(one.written),
            one.acknowledged,
        )
        for one in found.segments
    ]
    table = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    aside = ", ".join(f"{count} in {name}" for name, count in found.set_aside.items())
    return "\n".join(
        [
            *(line.rstrip() for line in lines),
            f"set aside: {aside}; dropped: {found.dropped}",
            f"total: {len(found.segments)} segments, {found.records} records, {found.bytes} bytes;"
            f" cursor {found.cursor or 'none'}, {found.unacknowledged} not acknowledged;"
            f" {'written by process ' + found.producer if found.producer else 'no producer runs'}",
        ]
    )


def _time(at: int | None) -> str:
    if at is None:
        return "unknown"
    return datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
