"""The command citypulse-replay."""

import asyncio
import contextlib
import errno
import logging
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
import structlog

from citypulse.events.messages import BadFileError, Report
from citypulse.replay.api import XApi, digest
from citypulse.replay.config import Settings, load_settings
from citypulse.replay.control import control_routes
from citypulse.replay.delivery import Delivery, Open
from citypulse.replay.fault_book import Faults
from citypulse.replay.files import open_stored, read_stored
from citypulse.replay.generator import open_generator
from citypulse.replay.history import History
from citypulse.replay.ingest import ingest_routes
from citypulse.replay.options import COUNT, GENERATOR, SERVE, config_option, given, options
from citypulse.replay.pace import Pace
from citypulse.replay.script import Script, read_script
from citypulse.replay.service import read_tokens, serve
from citypulse.replay.truth import Truth, header
from citypulse.replay.world import World, build_world
from citypulse.settings import BadSettingError

__all__ = ["main"]

Json = dict[str, Any]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """An X API v2 look-alike: replays stored tweets, or generates them, as X's filtered stream.

    Exit codes: 0 well, 1 failed, 2 bad input or configuration, 4 no disk left for the truth.
    """


@main.command(name="serve")
@config_option
@options(*SERVE)
def serve_command(config: Path | None, **values: str | None) -> None:
    """Serve the filtered stream and its rules, playing one source.

    \b
    Examples:
      citypulse-replay serve --generate --rate 100 --token-file token
      citypulse-replay serve --tweets tweets.json --hold --speed 10 --truth truth.jsonl
      citypulse-replay serve --tweets tweets.json --shift now --place-country CA
      citypulse-replay serve --ingest --truth truth.jsonl
      citypulse-replay serve --generate --rate 100 --search --backfill --control --script faults.toml
      curl -d '{"fault":"stall","seconds":40}' http://127.0.0.1:8900/control/faults
      curl -H "Authorization: Bearer $(cat token)" http://127.0.0.1:8900/2/tweets/search/stream/rules
    """
    settings = _settings(config, values)
    try:
        tokens = read_tokens(settings.server)
        script = _script(settings, tokens)
        source, about = _source(settings)
        seed = settings.generator.seed if settings.source.generate else None
        truth = Truth(
            Path(settings.play.truth) if settings.play.truth else None, header(str(about["source"]), seed)
        )
    except (BadSettingError, BadFileError) as error:
        _refuse(str(error))
    except FileExistsError as error:
        _refuse(f"play.truth {settings.play.truth}: {error.strerror}; name another file, or delete this one")
    except OSError as error:
        _refuse(f"play.truth {settings.play.truth} cannot be written: {error.strerror}")
    try:
        asyncio.run(_serve(settings, tokens, source, script, truth, about))
    except BadSettingError as error:
        _refuse(str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            _refuse(f"play.truth {settings.play.truth} cannot grow: {error.strerror}; free some disk", code=4)
        where = f"{settings.server.address}:{settings.server.port}"
        _refuse(f"cannot serve on {where}: {error.strerror}; choose another server.address or port", code=1)
    finally:
        truth.close()


@main.command(name="generate")
@config_option
@options(*GENERATOR, (COUNT[0], "--tweets/--count", *COUNT[2:]))
@click.option("--out", metavar="FILE", type=click.Path(dir_okay=False), help="Write here. [standard output]")
def generate_command(config: Path | None, out: str | None, **values: str | None) -> None:
    """Write generated messages as JSON lines, to be replayed or counted later.

    \b
    Examples:
      citypulse-replay generate --tweets 200 --seed 7 --start 2026-01-01T12:00:00Z --out tweets.jsonl
      citypulse-replay generate --duration 1h --density 5 --start 2026-01-01 | wc -l
    """
    settings = _settings(
        config, {**values, "source__generate": "true", "play__speed": "0", "play__rate": "0"}
    )
    try:
        source, _ = _source(settings)
        assert source is not None  # noqa: S101 - these settings generate
        with Path(out).open("wb") if out else contextlib.nullcontext(sys.stdout.buffer) as target:
            encode = msgspec.json.Encoder().encode
            for due in source(int(time.time() * 1000)):
                target.write(encode(due.message) + b"\n")
    except BrokenPipeError:
        # Whoever reads the output has enough of it; nothing more can be written, not even on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _refuse(f"{out or 'standard output'} cannot be written: {error.strerror}")


@main.command(name="places")
@config_option
@options(*GENERATOR)
def places_command(config: Path | None, **values: str | None) -> None:
    """Print the generator's places as JSON lines, each with the city that is right for it (null: none).

    \b
    Example:
      citypulse-replay places --cities 1130 | head -3
    """
    settings = _settings(config, {**values, "source__generate": "true"})
    world = _world(settings)
    for place_id, place in world.places.items():
        right = world.right_city[place_id]
        shown = {
            "place": place,
            "city_id": right,
            "city_name": world.places[right]["name"] if right else None,
        }
        click.echo(msgspec.json.encode(shown))


def _settings(config: Path | None, values: dict[str, str | None]) -> Settings:
    asked = given(values)
    try:
        if "generator.duration_seconds" in asked:
            asked["generator.duration_seconds"] = _seconds(asked["generator.duration_seconds"])
        if "generator.countries" in asked:
            codes = asked["generator.countries"].split(",")
            asked["generator.countries"] = [code.strip() for code in codes if code.strip()]
        return load_settings(config, options=asked)
    except BadSettingError as error:
        _refuse(str(error))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|)", text)
    if match is None:
        raise BadSettingError(f"--duration is {text!r}, which is no time: give 60s, 3m or 1h")
    return float(match[1]) * {"h": 3600, "m": 60}.get(match[2], 1)


def _source(settings: Settings) -> tuple[Open | None, Json]:
    """The source to play, None where posts are put in, and what /status tells of it."""
    source, pace = settings.source, _pace(settings)
    if source.ingest:
        return None, {"source": "ingest", "bad_lines": 0}
    if source.generate:
        about: Json = {"source": "generator", "seed": settings.generator.seed, "bad_lines": 0}
        return open_generator(_world(settings), settings.generator, pace), about
    stored, report = read_stored(
        Path(source.tweets), order=source.order, place_country=source.place_country or None
    )
    _log_bad_lines(source.tweets, report)
    about = {
        "source": source.tweets,
        "tweets": report.tweets,
        "bad_lines": report.bad_lines,
        "first_bad": report.first_bad,
    }
    return open_stored(stored, pace, shift=source.shift == "now"), about


def _pace(settings: Settings) -> Pace:
    return Pace(speed=settings.play.speed, rate=settings.play.rate or None)


def _world(settings: Settings) -> World:
    try:
        return build_world(settings.generator.cities, settings.generator.countries)
    except ValueError as error:
        _refuse(f"generator.countries: {error}; give ISO codes such as CA")


def _log_bad_lines(path: str, report: Report) -> None:
    if report.bad_lines:
        structlog.get_logger().warning(
            "bad lines skipped", tweets=path, bad_lines=report.bad_lines, first_bad=report.first_bad
        )


def _script(settings: Settings, tokens: list[str]) -> Script:
    file = settings.control.script
    return read_script(Path(file), frozenset(map(digest, tokens))) if file else Script([])


async def _serve(
    settings: Settings, tokens: list[str], source: Open | None, script: Script, truth: Truth, about: Json
) -> None:
    play, account, faults = settings.play, settings.account, Faults()
    kept = account.backfill or account.search
    delivery = Delivery(
        source,
        _pace(settings),
        truth,
        settings.limits,
        hold_streams=play.hold_streams if play.hold else 0,
        buffer_bytes=settings.stream.buffer_bytes,
        faults=faults,
        script=script,
        history=History(account.history_seconds, account.history_bytes) if kept else None,
    )
    api = XApi(delivery, truth, tokens, settings.limits, settings.stream, account)
    control = control_routes(faults, frozenset(map(digest, tokens))) if settings.control.enabled else []
    ingest = ingest_routes(delivery) if settings.source.ingest else []
    await serve(settings.server, [*api.routes(), *control, *ingest], delivery, truth, about)


def _refuse(sentence: str, code: int = 2) -> NoReturn:
    click.echo(f"citypulse-replay: {sentence}", err=True)
    sys.exit(code)


structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    logger_factory=structlog.PrintLoggerFactory(),
)
