"""The command's options: each is a configuration key given on the command line.

Their values stay text here; one set of checks, in `config`, serves file, environment and options alike.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["COUNT", "GENERATOR", "SERVE", "config_option", "given", "options"]

Command = Callable[..., Any]
Option = tuple[str, str, str, str]
"""The key `section.key`, the option (or two, with a slash), its value's name (empty: a flag), its help."""

GENERATOR: tuple[Option, ...] = (
    ("generator.seed", "--seed", "N", "The same seed and start give the same bytes. [1]"),
    ("generator.cities", "--cities", "N", "The N largest cities, and a few special ones. [1130]"),
    ("generator.countries", "--countries", "CA,GB", "Only cities of these countries. [all]"),
    ("generator.users", "--users", "N", "Users, over all cities. [200000]"),
    ("generator.duration_seconds", "--duration", "60s", "Stop after so long: 60s, 3m, 1h. [never]"),
    ("generator.density", "--density", "N", "Posts a second of event time. [the rate, else 50]"),
    ("generator.start", "--start", "TIME", "First event time, ISO 8601. [now]"),
    ("generator.retweets", "--retweets", "SHARE", "Share of retweets; place rules never match one. [0.2]"),
)
COUNT: Option = ("generator.count", "--count", "N", "Stop after N generated messages. [never]")
SERVE: tuple[Option, ...] = (
    ("server.address", "--address", "IP", "[127.0.0.1]"),
    ("server.port", "--port", "N", "[8900]"),
    ("server.token_file", "--token-file", "FILE", "Bearer tokens, one a line; made where it is missing."),
    ("server.tls_cert", "--tls-cert", "FILE", "PEM certificate chain, to serve HTTPS."),
    ("server.tls_key", "--tls-key", "FILE", "Its key."),
    ("source.tweets", "--tweets", "FILE", "Replay this file of X API v2 JSON."),
    ("source.order", "--order", "created|file", "Play by creation time, or as stored. [created]"),
    ("source.shift", "--shift", "now", "Move times and ids so that the tweets happen now."),
    ("source.place_country", "--place-country", "CC", "The country of places that are stored without one."),
    ("source.generate", "--generate", "", "Generate tweets instead."),
    ("source.ingest", "--ingest", "", "Play what is put in at /ingest instead."),
    *GENERATOR,
    COUNT,
    ("play.rate", "--rate", "N", "N messages a second, whatever their times."),
    ("play.speed", "--speed", "N", "N times as fast as they happened; 0: as fast as clients read. [1]"),
    ("play.hold", "--hold", "", "Wait while no stream is connected."),
    ("play.hold_streams", "--hold-streams", "N", "With --hold: wait while fewer are connected. [1]"),
    ("play.truth", "--truth", "FILE", "Write down what was sent, to whom, when."),
    ("account.backfill", "--backfill", "", "The account has backfill_minutes."),
    ("account.search", "--search", "", "The account has recent search and counts."),
    ("control.enabled", "--control", "", "Take faults at /control/faults."),
    ("control.script", "--script", "FILE", "Play the faults of this TOML file."),
)

config_option = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML file; every key is also CITYPULSE_REPLAY_<SECTION>_<KEY>.",
)


def options(*table: Option) -> Callable[[Command], Command]:
    """Decorate a command with these options; `given` reads what was given of them."""

    def decorate(command: Command) -> Command:
        for key, name, metavar, text in reversed(table):
            value: dict[str, Any] = {"metavar": metavar} if metavar else {"flag_value": "true"}
            parameter = key.replace(".", "__")
            command = click.option(*name.split("/"), parameter, default=None, help=text, **value)(command)
        return command

    return decorate


def given(values: dict[str, str | None]) -> dict[str, Any]:
    """The options that were given, by configuration key."""
    return {name.replace("__", "."): value for name, value in values.items() if value is not None}
