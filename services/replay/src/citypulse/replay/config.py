"""The configuration of one replay: a TOML file, environment variables over it, command options over both.

Every key `[section] key` is also the environment variable CITYPULSE_REPLAY_<SECTION>_<KEY>. An unknown key or
an impossible value raises BadConfigError with one sentence that names it.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from citypulse.replay.api import StreamSettings
from citypulse.replay.rulebook import Limits

__all__ = ["BadConfigError", "Generator", "Play", "Server", "Settings", "Source", "load_settings"]

PREFIX = "CITYPULSE_REPLAY_"


class BadConfigError(ValueError):
    """A configuration that cannot be used; its text is one sentence for the user."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to listen, who may connect (one token a line; made where the file is missing), and TLS."""

    address: str = "127.0.0.1"
    port: int = 8900
    token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is played: a file of tweets, or the generator where `generate` is set."""

    tweets: str = ""
    order: Literal["created", "file"] = "created"
    shift: Literal["", "now"] = ""
    place_country: str = ""
    generate: bool = False


class Generator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is generated; see `citypulse.replay.generator`. Counts and seconds of 0 mean without end.

    `countries` (ISO codes, empty: all) limits the cities; `density` is posts a second of event time (0: the
    rate, else 50); `start` is an ISO time, empty for the moment at which the source begins. Shares are of all
    posts.
    """

    seed: int = 1
    cities: int = 1130
    countries: list[str] = []
    users: int = 200_000
    count: int = 0
    duration_seconds: float = 0.0
    density: float = 0.0
    start: str = ""
    retweets: float = 0.2
    replies: float = 0.25
    quotes: float = 0.08
    edits: float = 0.01
    duplicates: float = 0.005
    late: float = 0.02
    unlocated: float = 0.02


class Play(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it is played: `rate` messages a second (0: at event times, `speed` times as fast; speed 0: as fast
    as clients read).

    With `hold` the source waits while fewer than `hold_streams` streams are connected.
    """

    rate: float = 0.0
    speed: float = 1.0
    hold: bool = False
    hold_streams: int = 1
    truth: str = ""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    server: Server = Server()
    source: Source = Source()
    generator: Generator = Generator()
    play: Play = Play()
    stream: StreamSettings = StreamSettings()
    limits: Limits = Limits()


def load_settings(
    file: str | None, environment: Mapping[str, str] = os.environ, options: Mapping[str, Any] = {}
) -> Settings:
    """Read the settings; `options` maps "section.key" to values that were given on the command line."""
    merged = _read(file) if file else {}
    for name, value in environment.items():
        if name.startswith(PREFIX):
            section, key = _named(name)
            merged.setdefault(section, {})[key] = _listed(section, key, value)
    for path, value in options.items():
        section, key = path.split(".")
        merged.setdefault(section, {})[key] = value
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadConfigError(_told(error, merged)) from None
    _check(settings)
    return settings


def _read(file: str) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfigError(f"the configuration {file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfigError(f"the configuration {file} is not TOML: {error}") from None


def _named(variable: str) -> tuple[str, str]:
    for section in Settings.__struct_fields__:
        start = PREFIX + section.upper() + "_"
        key = variable[len(start) :].lower()
        if variable.startswith(start) and key in msgspec.structs.asdict(getattr(Settings(), section)):
            return section, key
    raise BadConfigError(
        f"the environment variable {variable} names no key of citypulse-replay: unset it or correct its name"
    )


def _listed(section: str, key: str, value: str) -> str | list[str]:
    if isinstance(getattr(getattr(Settings(), section), key), list):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _told(error: msgspec.ValidationError, merged: Mapping[str, Any]) -> str:
    """msgspec's message with the key's own name and value: `play.rate is 'x': Expected float, got str`."""
    reason, _, where = str(error).partition(" - at `$.")
    path = where.rstrip("`")
    if not path:
        return f"the configuration is wrong: {reason}"
    value: Any = merged
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else value
    if "unknown field" in reason:
        return f"the configuration section [{path}] is wrong: {reason}"
    return f"{path} is {value!r}, which will not do: {reason}"


def _check(settings: Settings) -> None:
    source, generator, play = settings.source, settings.generator, settings.play
    if bool(source.tweets) == source.generate:
        raise BadConfigError(
            "source.tweets and source.generate: give exactly one of a file of tweets and the generator"
        )
    for name, value in (
        ("play.rate", play.rate),
        ("play.speed", play.speed),
        ("generator.density", generator.density),
    ):
        if not 0 <= value < float("inf"):
            raise BadConfigError(f"{name} is {value:g}: give a number of 0 or more")
    shares = ("retweets", "replies", "quotes", "edits", "duplicates", "late", "unlocated")
    for name in shares:
        if not 0 <= getattr(generator, name) <= 1:
            raise BadConfigError(
                f"generator.{name} is {getattr(generator, name):g}: give a share between 0 and 1"
            )
    if generator.retweets + generator.replies + generator.quotes > 1:
        raise BadConfigError(
            "generator.retweets, replies and quotes add up to more than 1: give shares of all posts"
        )
    if bool(settings.server.tls_cert) != bool(settings.server.tls_key):
        raise BadConfigError("server.tls_cert and server.tls_key: give both or neither")
    for name, number in (
        ("generator.cities", generator.cities),
        ("generator.users", generator.users),
        ("play.hold_streams", play.hold_streams),
    ):
        if number < 1:
            raise BadConfigError(f"{name} is {number}: give 1 or more")
    if not 0 <= settings.stream.gzip_level <= 9 or settings.stream.keep_alive_seconds <= 0:
        raise BadConfigError("stream.gzip_level must be 0 to 9 and stream.keep_alive_seconds above 0")
