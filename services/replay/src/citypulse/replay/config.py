"""The configuration of one replay: a TOML file, environment variables over it, command options over both.

Every key `[section] key` is also the environment variable CITYPULSE_REPLAY_<SECTION>_<KEY>. An unknown key or
an impossible value raises BadSettingError with one sentence that names it.
"""

import ipaddress
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from citypulse.replay.api import Account, StreamSettings
from citypulse.replay.rulebook import Limits
from citypulse.settings import BadSettingError, Section, load

__all__ = ["Control", "Generator", "Play", "Server", "Settings", "Source", "load_settings"]

PREFIX = "CITYPULSE_REPLAY_"


_Natural = Annotated[int, msgspec.Meta(ge=1)]
_Amount = Annotated[float, msgspec.Meta(ge=0, lt=1e9)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Country = Annotated[str, msgspec.Meta(pattern="^([A-Za-z]{2})?$")]


class Server(Section, frozen=True):
    """Where to listen, who may connect (one token a line; made where the file is missing), and TLS."""

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8900
    token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class Source(Section, frozen=True):
    """What is played: a file of tweets, the generator where `generate` is set, or what is put in at /ingest
    where `ingest` is.
    """

    tweets: str = ""
    order: Literal["created", "file"] = "created"
    shift: Literal["", "now"] = ""
    place_country: _Country = ""
    generate: bool = False
    ingest: bool = False


class Generator(Section, frozen=True):
    """What is generated; see `citypulse.replay.generator`. A count or duration of 0 means without end.

    `countries` (ISO codes, empty: all) limits the cities; `density` is posts a second of event time (0: the
    rate, else 50); `start` is an ISO time, empty for the moment at which the source begins. Shares are of all
    posts, `late` of those that arrive up to minutes late. `retweet_tail` is the shape of a Lomax law by which
    the retweeted post is drawn from the newest back (0.2: a heavy tail); 0 draws evenly from what is
    remembered. Either way a retweeted post is drawn again the more easily.
    """

    seed: int = 1
    cities: _Natural = 1130
    countries: list[_Country] = msgspec.field(default_factory=list)
    users: _Natural = 200_000
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    duration_seconds: _Amount = 0.0
    density: _Amount = 0.0
    start: str = ""
    retweets: _Share = 0.2
    retweet_tail: _Amount = 0.0
    replies: _Share = 0.25
    quotes: _Share = 0.08
    edits: _Share = 0.01
    duplicates: _Share = 0.005
    late: _Share = 0.02
    unlocated: _Share = 0.02


class Play(Section, frozen=True):
    """How it is played: `rate` messages a second, or with rate 0 at event times, `speed` times as fast.

    With both 0 it plays as fast as clients read. With `hold` the source waits while fewer than `hold_streams`
    streams are connected.
    """

    rate: _Amount = 0.0
    speed: _Amount = 1.0
    hold: bool = False
    hold_streams: _Natural = 1
    truth: str = ""


class Control(Section, frozen=True):
    """Faults: whether /control/faults is there (on a loopback address only), and a script to play."""

    enabled: bool = False
    script: str = ""


class Settings(Section, frozen=True):
    """All of it."""

    server: Server = Server()
    source: Source = Source()
    generator: Generator = Generator()
    play: Play = Play()
    stream: StreamSettings = StreamSettings()
    limits: Limits = Limits()
    account: Account = Account()
    control: Control = Control()


def load_settings(
    file: Path | None, environment: Mapping[str, str] = os.environ, options: Mapping[str, Any] = {}
) -> Settings:
    """Read the settings; `options` maps "section.key" to values that were given on the command line.

    Raises:
        BadSettingError: a key is unknown, or a value cannot be; the message names it.
    """
    settings = load(
        Settings, name="replay", prefix=PREFIX, file=file, environment=environment, options=options
    )
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    source, generator = settings.source, settings.generator
    if bool(source.tweets) + source.generate + source.ingest != 1:
        raise BadSettingError(
            "source.tweets, source.generate and source.ingest: give exactly one, a file, the generator or"
            " what is put in"
        )
    if source.ingest and settings.play.hold:
        raise BadSettingError(
            "play.hold: what is put in with source.ingest comes when it comes, and nothing can hold it;"
            " leave play.hold out"
        )
    if generator.retweets + generator.replies + generator.quotes > 1:
        raise BadSettingError("generator.retweets, replies and quotes are more than 1 together: give shares")
    if bool(settings.server.tls_cert) != bool(settings.server.tls_key):
        raise BadSettingError("server.tls_cert and server.tls_key: give both or neither")
    if source.ingest and not _loopback(settings.server.address):
        raise BadSettingError(
            f"source.ingest: posts are put in on a loopback address only, and server.address is"
            f" {settings.server.address!r}; make it 127.0.0.1, or leave source.ingest out"
        )
    if settings.control.enabled and not _loopback(settings.server.address):
        raise BadSettingError(
            f"control.enabled: faults are taken on a loopback address only, and server.address is"
            f" {settings.server.address!r}; make it 127.0.0.1, or leave control.enabled out"
        )
    if generator.start:
        try:
            datetime.fromisoformat(generator.start)
        except ValueError as error:
            raise BadSettingError(
                f"generator.start is {generator.start!r}, which is no time: {error}"
            ) from None


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
