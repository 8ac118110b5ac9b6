"""The producer's configuration: one TOML file, every key of it also an environment variable.

`[journal] group_ms` is `CITYPULSE_PRODUCER_JOURNAL_GROUP_MS`, the top-level `name` is
`CITYPULSE_PRODUCER_NAME`; lists are separated by commas, `CITYPULSE_PRODUCER_FEEDS` is a JSON list. The
environment wins over the file.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from citypulse import settings
from citypulse.producer import countries
from citypulse.producer.errors import BadInputError

PREFIX = "CITYPULSE_PRODUCER_"

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
RunName = Annotated[str, Meta(pattern=r"^[a-z0-9]{0,32}$")]
Topic = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class X(settings.Section, frozen=True):
    """Where the stream comes from, and how patient to be with it. Durations in seconds."""

    base_url: str = "https://api.x.com"
    """X, or something that looks like it."""
    bearer_token_file: str = ""
    """A file whose first line is the token;

    `X_BEARER_TOKEN_FILE` or `X_BEARER_TOKEN` in the environment win.
    """
    gzip: bool = True
    """Whether X may compress the stream."""
    connect_seconds: Seconds = 10.0
    stall_seconds: Seconds = 30.0
    """X sends at least a line end every 20 s; without a byte for so long the connection is dead."""
    network_step_seconds: Seconds = 0.25
    network_max_seconds: Seconds = 16.0
    http_first_seconds: Seconds = 5.0
    http_max_seconds: Seconds = 320.0
    rate_limit_first_seconds: Seconds = 60.0


class Feed(settings.Section, frozen=True):
    """A named set of rules whose posts are counted together: any of its locations, and its query."""

    name: Name
    countries: tuple[str, ...] = ()
    """ISO 3166-1 alpha-2 codes, or `all`."""
    places: tuple[str, ...] = ()
    """Names or ids as X's operator `place:` takes them."""
    cities: tuple[str, ...] = ()
    """The same for cities; `CA:36775d842cbec509` or `CA:Montréal` names the country too."""
    query: str = ""
    """What a post must match besides; X's rule grammar."""
    topic: Topic = "tweets"
    """Kafka topic, before the run's prefix."""


class Journal(settings.Section, frozen=True):
    """The queue on disk."""

    dir: str = ""
    segment_bytes: Annotated[int, Meta(ge=4096)] = 16 << 20
    group_records: Count = 100
    group_ms: Count = 50
    keep_hours: Annotated[float, Meta(ge=0)] = 0.0
    """How long a segment is kept after Kafka has it all; text is kept no longer."""
    max_bytes: Annotated[int, Meta(ge=1 << 16)] = 20 << 30
    """Size at which nothing more is taken, until Kafka has taken some."""
    when_full: Literal["block", "drop_newest"] = "block"
    """At that size, or on a full disk: do not read the stream, or read it, and count and drop what comes."""
    reserve_bytes: Annotated[int, Meta(ge=0)] = 16 << 20
    """Room that is kept for a clean stop on a full disk; 0 keeps none."""
    set_aside_days: Annotated[float, Meta(gt=0)] = 7.0
    """How long what could not be read, used or sent is kept for a person to look at."""


class Kafka(settings.Section, frozen=True):
    """The brokers, and what may be on its way to them."""

    bootstrap_servers: tuple[str, ...] = ("127.0.0.1:9092", "127.0.0.1:9093")
    api_version: Annotated[str, Meta(pattern=r"^\d+\.\d+$")] = "3.9"
    """Of the brokers. It is given, not asked for, so that a start without brokers is a normal start."""
    in_flight_records: Count = 10_000
    in_flight_bytes: Count = 32 << 20
    linger_ms: Annotated[int, Meta(ge=0)] = 10
    batch_bytes: Count = 256 << 10
    compression: Annotated[str, Meta(pattern="^(none|gzip)$")] = "none"
    request_timeout_ms: Count = 30_000


class Http(settings.Section, frozen=True):
    """Where /metrics, /healthz and /readyz are served."""

    address: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 9301


class Config(settings.Section, frozen=True):
    """Everything the producer can be told."""

    name: Name = "main"
    """Of this producer: in its rules' tags and its events' `source`."""
    run: RunName = ""
    """A namespace of topics; empty is live."""
    stop_seconds: Seconds = 10.0
    """How long a stop may take to drain what is journaled."""
    x: X = msgspec.field(default_factory=X)
    feeds: tuple[Feed, ...] = ()
    journal: Journal = msgspec.field(default_factory=Journal)
    kafka: Kafka = msgspec.field(default_factory=Kafka)
    http: Http = msgspec.field(default_factory=Http)

    def topic(self, name: str) -> str:
        """A topic's name with the run's prefix."""
        return f"{self.run}.{name}" if self.run else name


def load(file: Path | None, environment: Mapping[str, str], feed: Feed | None = None) -> Config:
    """Read the configuration.

    Args:
        file: TOML, or None for the environment alone.
        environment: usually `os.environ`.
        feed: from the command line; replaces the feed of its name, or joins the others.

    Raises:
        BadInputError: a key is unknown, or a value cannot be; the message names it and what to do.
    """
    try:
        config = settings.load(Config, name="producer", prefix=PREFIX, file=file, environment=environment)
    except settings.BadSettingError as error:
        raise BadInputError(str(error)) from error
    if feed:
        others = tuple(other for other in config.feeds if other.name != feed.name)
        config = msgspec.structs.replace(config, feeds=(*others, feed))
    _check(config)
    return config


def bearer_token(config: Config, environment: Mapping[str, str]) -> str:
    """The token for X.

    Raises:
        BadInputError: there is none, or its file cannot be read.
    """
    if token := environment.get("X_BEARER_TOKEN", "").strip():
        return token
    name = environment.get("X_BEARER_TOKEN_FILE") or config.x.bearer_token_file
    if not name:
        raise BadInputError(
            "x.bearer_token_file is not set: give it, or X_BEARER_TOKEN_FILE,"
            " the path of a file with X's bearer token"
        )
    try:
        token = Path(name).read_text().partition("\n")[0].strip()
    except OSError as error:
        raise BadInputError(f"x.bearer_token_file = {name} cannot be read ({error.strerror})") from error
    if not token or not token.isascii():
        raise BadInputError(f"x.bearer_token_file = {name} holds no bearer token: put it on the first line")
    return token


def _check(config: Config) -> None:
    if not config.journal.dir:
        raise BadInputError("journal.dir is not set: give it a directory for the journal")
    if not re.match(r"^https?://[^/\s]+", config.x.base_url):
        raise BadInputError(
            f"x.base_url = {config.x.base_url!r} cannot be: it starts with https:// (or http://)"
        )
    if not config.kafka.bootstrap_servers:
        raise BadInputError("kafka.bootstrap_servers is empty: name the brokers as host:port")
    for server in config.kafka.bootstrap_servers:
        if not re.match(r"^\S+:\d{1,5}$", server):
            raise BadInputError(f"kafka.bootstrap_servers: {server!r} cannot be: write host:port")
    if not config.feeds:
        raise BadInputError("feeds is empty: add a [[feeds]] with a name and countries, or give --countries")
    names = [feed.name for feed in config.feeds]
    for feed in config.feeds:
        if names.count(feed.name) > 1:
            raise BadInputError(f"feeds: the name {feed.name!r} is there twice; give each feed its own")
        if not (feed.countries or feed.places or feed.cities or feed.query.strip()):
            raise BadInputError(
                f"feeds.{feed.name} matches nothing: give it countries, places, cities or a query"
            )
        for country in feed.countries:
            if country != "all" and country not in countries.ALL:
                raise BadInputError(
                    f"feeds.{feed.name}.countries: {country!r} is no ISO 3166-1 alpha-2 code:"
                    " write CA, GB, … or all"
                )


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ
