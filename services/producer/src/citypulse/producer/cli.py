"""`citypulse-producer`: run, check, rules, estimate, gaps, ledger, journal, forget."""

import sys
from pathlib import Path
from typing import Any

import click

from citypulse.producer import logs
from citypulse.producer.config import Config, Feed, bearer_token, environment, load
from citypulse.producer.errors import ShortError, StopError
from citypulse.producer.journal import files
from citypulse.producer.journal.tools import commands as journal_commands

_EPILOG = """\b
Examples:
  citypulse-producer check --config producer.toml
  citypulse-producer run --config producer.toml
  X_BEARER_TOKEN_FILE=token citypulse-producer run --config producer.toml --countries CA,GB
  citypulse-producer rules plan --config producer.toml
  citypulse-producer estimate --countries CA,GB --price 0.005
  citypulse-producer gaps --config producer.toml --open
  citypulse-producer ledger --config producer.toml --truth truth.jsonl

Exit codes: 0 well, 1 failed or found a fault, 2 bad input, 3 X refused, 4 disk or memory short.
"""


class _Group(click.Group):
    """Turns every foreseen end into one sentence and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except StopError as error:
            stop = error
        except OSError as error:
            remedy = ": free some disk" if files.is_short(error) else ""
            stop = (ShortError if files.is_short(error) else StopError)(f"{error}{remedy}")
        click.echo(f"citypulse-producer: {stop}", err=True)
        sys.exit(stop.exit_code)


@click.group(cls=_Group, epilog=_EPILOG)
@click.version_option(package_name="citypulse-producer")
def main() -> None:
    """X's filtered stream through a disk journal into Kafka."""


def _options(function: Any) -> Any:
    file = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--topic", default="tweets", show_default=True, help="Its topic."),
        click.option("--query", default="", help="What its posts must match besides; X's rule grammar."),
        click.option("--cities", default="", help="Its cities: names, place ids, or CA:NAME, by commas."),
        click.option(
            "--places", default="", help="Its places, as X's operator place: takes them, by commas."
        ),
        click.option("--countries", default="", help="Its countries: CA,GB or `all`."),
        click.option("--feed", default="all", show_default=True, help="A feed for the following options."),
        click.option(
            "--config", "file", type=file, help="TOML; every key is an environment variable as well."
        ),
    ):
        function = option(function)
    return function


def _load(
    file: Path | None,
    feed: str,
    countries: str,
    places: str,
    cities: str,
    query: str,
    topic: str,
    *,
    only_x: bool = False,
) -> Config:
    lists = [
        tuple(item.strip() for item in text.split(",") if item.strip())
        for text in (countries, places, cities)
    ]
    given = any(lists) or query.strip()
    extra = Feed(feed, tuple(" ".join(lists[0]).split()), lists[1], lists[2], query, topic) if given else None
    return load(file, environment(), extra, only_x=only_x)


@main.command(epilog=_EPILOG)
@_options
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def run(log_level: str, **options: Any) -> None:
    """Stream until SIGTERM.

    Whatever X sends is in the journal before anything else happens to it, and leaves the journal when Kafka
    has acknowledged it. A SIGTERM closes the stream, drains what it can within stop_seconds, and exits with
    0. A SIGHUP reads the configuration anew: feeds and spend change while the stream goes on.
    """
    from citypulse.producer import service

    config = _load(**options)
    token = bearer_token(config, environment())
    logs.configure(log_level)
    service.run(config, token, lambda: _load(**options))


@main.command(epilog=_EPILOG)
@_options
def check(**options: Any) -> None:
    """Say whether a run would work:

    configuration, journal, X and its rules, brokers and topics. Changes nothing.
    """
    from citypulse.producer import check as checks

    config = _load(**options)
    token = bearer_token(config, environment())
    logs.configure("error")
    sys.exit(0 if checks.run(config, token) else 1)


@main.command(epilog=_EPILOG)
@_options
@click.option(
    "--truth",
    "truths",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="What replay wrote down; again for each file.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds for the journal to drain first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def ledger(truths: tuple[Path, ...], wait: float, as_json: bool, **options: Any) -> None:
    """Prove that nothing is lost: what is journaled, and what was sent by replay, is in Kafka.

    Compares ids. Exits with 1 where one is missing. Works beside a running producer: it compares what was
    journaled before it began, and gives that time to be sent.
    """
    from citypulse.producer import ledger as ledgers

    config = _load(**options)
    logs.configure("error")
    sys.exit(0 if ledgers.run(config, truths, wait, as_json) else 1)


@main.group(epilog=_EPILOG)
def rules() -> None:
    """X's rules for the token: what is there, and what the feeds make of it."""


@rules.command(epilog=_EPILOG)
@_options
@click.option("--json", "as_json", is_flag=True, help="Print the rules as JSON.")
def ls(as_json: bool, **options: Any) -> None:
    """List every rule that X has, this producer's and others'."""
    from citypulse.producer.stream import commands

    config = _load(**options, only_x=True)
    logs.configure("error")
    commands.list_rules(config, bearer_token(config, environment()), as_json)


@rules.command(epilog=_EPILOG)
@_options
def plan(**options: Any) -> None:
    """Say which rules a run would delete, add and leave.

    Changes nothing.
    """
    from citypulse.producer.stream import commands

    config = _load(**options, only_x=True)
    logs.configure("error")
    commands.plan_rules(config, bearer_token(config, environment()), apply=False)


@rules.command(epilog=_EPILOG)
@_options
def apply(**options: Any) -> None:
    """Bring X's rules to what the feeds say, as a run does; those of others stay.

    A producer that runs is better sent SIGHUP, so that it knows of the change.
    """
    from citypulse.producer.stream import commands

    config = _load(**options, only_x=True)
    logs.configure("error")
    commands.plan_rules(config, bearer_token(config, environment()), apply=True)


@main.command(epilog=_EPILOG)
@_options
@click.option(
    "--price", type=click.FloatRange(min=0), help="USD per post; spend.price_per_post, where it is not given."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def estimate(price: float | None, as_json: bool, **options: Any) -> None:
    """Say how many posts the feeds would bring, and what they cost, before one connects.

    Asks X's counts of the last 7 days. Exits with 1 where X does not count a part of them.
    """
    from citypulse.producer.stream import estimate as estimates

    config = _load(**options, only_x=True)
    logs.configure("error")
    token = bearer_token(config, environment())
    sys.exit(0 if estimates.run(config, token, price, as_json) else 1)


@main.command(epilog=_EPILOG)
@_options
@click.option("--open", "only_open", is_flag=True, help="Only those that are not filled.")
@click.option("--json", "as_json", is_flag=True, help="Print the gaps as JSON.")
def gaps(only_open: bool, as_json: bool, **options: Any) -> None:
    """List when posts may not have been received, why, and what was fetched again since."""
    from citypulse.producer.gaps import listing

    listing.run(Path(_load(**options).journal.dir), only_open=only_open, as_json=as_json)


main.add_command(journal_commands.journal)
main.add_command(journal_commands.forget)
