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
Share = Annotated[float, Meta(gt=0, le=1)]


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
    too_many_connections_first_seconds: Seconds = 30.0
    """X goes on counting a connection that ended uncleanly until it notices, which takes a minute or more."""
    usage_cap_first_seconds: Seconds = 300.0
    usage_cap_max_seconds: Seconds = 3600.0
    backfill_minutes: Annotated[int, Meta(ge=0, le=5)] = 0
    """What X may send again after a gap, where the account has backfill (Enterprise); 0 does not ask."""
    backfill_settle_seconds: Seconds = 60.0
    """How much must be heard after a connection with backfill before its gap counts as filled."""
    search: bool = False
    """Whether gaps are filled through recent search, whose posts X charges like the stream's."""
    search_characters: Annotated[int, Meta(ge=64, le=4096)] = 512
    """Length of a query that recent search and counts take from the account: 512, or 4,096 (Enterprise)."""
    search_delay_seconds: Annotated[float, Meta(ge=0)] = 30.0
    """How long after a gap's end it is searched: X's index is half a minute behind."""
    search_margin_seconds: Annotated[float, Meta(ge=0)] = 300.0
    """How much earlier than the gap a search begins: X may deliver a post minutes after its creation."""


class Spend(settings.Section, frozen=True):
    """How many posts X may deliver, since it charges each. Days and months are UTC's."""

    posts_per_day: Annotated[int, Meta(ge=0)] = 0
    """0 sets no limit."""
    posts_per_month: Annotated[int, Meta(ge=0)] = 0
    warn_at: Annotated[float, Meta(gt=0, le=1)] = 0.8
    """Share of a limit from which on it is warned."""
    price_per_post: Annotated[float, Meta(ge=0)] = 0.0
    """USD; 0 where it is not known."""


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


class Retweets(settings.Section, frozen=True):
    """Whose retweets are asked of X besides what the feeds' rules bring. X charges each like any post."""

    enabled: bool = False
    rules: Annotated[int, Meta(ge=1, le=1000)] = 1000
    """At most so many rules for it, 23 posts each, of those that feeds and others of the token leave."""
    known: Count = 200_000
    """Located posts whose retweets can be credited; about 0.6 KB of memory each."""
    tail_hours: Annotated[float, Meta(ge=0)] = 6.0
    """How far back a start reads the topics for what was known before; at most two records per known post."""
    choice: Literal["mix", "newest", "most_retweeted"] = "mix"
    """Which posts are watched where not all can be."""
    change_seconds: Seconds = 20.0
    """Between two changes of the rules; each takes two requests."""
    change_rules: Annotated[int, Meta(ge=1, le=500)] = 100
    """At most so many are made anew at a time; so many stay free, for new ones to come before old go."""
    requests_per_window: Count = 100
    """Changes of rules that X takes from a token in a window; where its answers say less, that counts."""
    window_seconds: Seconds = 900.0
    requests_left: Annotated[int, Meta(ge=0)] = 8
    """Of a window's requests, those that are left to changes of feeds and to new connections."""


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
    """The brokers, what may be on its way to them, and when an acknowledged record counts as safe."""

    bootstrap_servers: tuple[str, ...] = ("127.0.0.1:9092", "127.0.0.1:9093")
    api_version: Annotated[str, Meta(pattern=r"^\d+\.\d+$")] = "3.9"
    """Of the brokers. It is given, not asked for, so that a start without brokers is a normal start."""
    in_flight_records: Count = 10_000
    in_flight_bytes: Count = 32 << 20
    linger_ms: Annotated[int, Meta(ge=0)] = 10
    batch_bytes: Count = 256 << 10
    compression: Annotated[str, Meta(pattern="^(none|gzip)$")] = "none"
    request_timeout_ms: Count = 30_000
    durability: Literal["strict", "available"] = "strict"
    """`strict`: a record is safe once it is acknowledged, which takes `min.insync.replicas` of 2 or more.

    `available`: acknowledged by one replica is enough to go on; the journal keeps such records until all
    replicas have them, and sends them again if the leader changed meanwhile.
    """
    drain_records_per_second: Annotated[float, Meta(ge=0)] = 0.0
    """At most so many records a second leave the journal; 0: as fast as Kafka takes them."""
    watchdog_seconds: Seconds = 120.0
    """From this age of the oldest unacknowledged record on the client is thought to hang, and made anew."""
    probe_seconds: Seconds = 1.0
    """Between two looks at the brokers."""
    probe_timeout_seconds: Seconds = 2.0
    """How long a broker may take to answer before it counts as not available."""


class Circuit(settings.Section, frozen=True):
    """When to push less, or not at all. Each signal trips at its `high` and lets go at its `low`."""

    window_seconds: Seconds = 10.0
    """Over which rates are taken."""
    in_flight_high: Share = 0.7
    """Of the in-flight buffer; together with a publish share below its low: Kafka takes less than comes."""
    in_flight_low: Share = 0.3
    publish_share_low: Seconds = 0.9
    """Of what was journaled within the window, what was acknowledged in it."""
    publish_share_high: Seconds = 1.0
    error_rate_high: Share = 0.5
    """Of all attempts within the window, those that failed."""
    unacknowledged_high_seconds: Seconds = 10.0
    """Age of the oldest record in flight."""
    unacknowledged_low_seconds: Seconds = 2.0
    open_seconds: Seconds = 1.0
    """Until the first probe after opening; doubled after each that fails."""
    open_max_seconds: Seconds = 15.0
    probe_records: Count = 100


class Places(settings.Section, frozen=True):
    """How cities are named."""

    latin_names: bool = False
    """Show a city that X first named in other letters by its name in Latin ones, where GeoNames knows it."""


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
    spend: Spend = msgspec.field(default_factory=Spend)
    feeds: tuple[Feed, ...] = ()
    retweets: Retweets = msgspec.field(default_factory=Retweets)
    journal: Journal = msgspec.field(default_factory=Journal)
    kafka: Kafka = msgspec.field(default_factory=Kafka)
    circuit: Circuit = msgspec.field(default_factory=Circuit)
    places: Places = msgspec.field(default_factory=Places)
    http: Http = msgspec.field(default_factory=Http)

    def topic(self, name: str) -> str:
        """A topic's name with the run's prefix."""
        return f"{self.run}.{name}" if self.run else name


def load(
    file: Path | None, environment: Mapping[str, str], feed: Feed | None = None, *, only_x: bool = False
) -> Config:
    """Read the configuration.

    Args:
        file: TOML, or None for the environment alone.
        environment: usually `os.environ`.
        feed: from the command line; replaces the feed of its name, or joins the others.
        only_x: whether only X will be asked, so that journal and brokers need not be given.

    Raises:
        BadInputError: a key is unknown, or a value cannot be; the message names it and what to do.
    """
    try:
        config = settings.load(Config, name="producer", prefix=PREFIX, file=file, environment=environment)
    except settings.BadSettingError as error:
        raise BadInputError(str(error)) from error
    if feed:
        _check_options(feed)
        others = tuple(other for other in config.feeds if other.name != feed.name)
        config = msgspec.structs.replace(config, feeds=(*others, feed))
    _check(config, only_x=only_x)
    return config


def bearer_token(config: Config, environment: Mapping[str, str]) -> str:
    """The token for X.

    Raises:
        BadInputError: there is none, its file cannot be read, or no header could carry it.
    """
    if token := environment.get("X_BEARER_TOKEN", "").strip():
        if not _is_token(token):
            raise BadInputError("X_BEARER_TOKEN holds no bearer token: it is one word of ASCII characters")
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
    except UnicodeDecodeError:
        token = ""
    if not _is_token(token):
        raise BadInputError(f"x.bearer_token_file = {name} holds no bearer token: put it on the first line")
    return token


def _is_token(text: str) -> bool:
    """Whether a header can carry it. What cannot would be quoted in the error of whoever tries."""
    return bool(re.fullmatch(r"[!-~]+", text))


def _check_options(feed: Feed) -> None:
    """The command line makes a feed without the checks that a file goes through."""
    try:
        msgspec.convert(msgspec.to_builtins(feed), Feed)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        key = place.rstrip("`")
        option = "--feed" if key == "name" else f"--{key}"
        raise BadInputError(f"{option} = {getattr(feed, key)!r} cannot be: {what.lower()}") from error


def _check(config: Config, *, only_x: bool) -> None:
    if not config.journal.dir and not only_x:
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
    circuit = config.circuit
    for low, high in (
        ("in_flight_low", "in_flight_high"),
        ("publish_share_low", "publish_share_high"),
        ("unacknowledged_low_seconds", "unacknowledged_high_seconds"),
    ):
        if getattr(circuit, low) > getattr(circuit, high):
            raise BadInputError(
                f"circuit.{low} = {getattr(circuit, low):g} cannot be: it is at most circuit.{high}, which is"
                f" {getattr(circuit, high):g}"
            )
    if config.kafka.watchdog_seconds <= circuit.unacknowledged_high_seconds:
        raise BadInputError(
            f"kafka.watchdog_seconds = {config.kafka.watchdog_seconds:g} cannot be: it is more than"
            f" circuit.unacknowledged_high_seconds, which is {circuit.unacknowledged_high_seconds:g}"
        )
    retweets = config.retweets
    if retweets.requests_left > retweets.requests_per_window - 2:
        raise BadInputError(
            f"retweets.requests_left = {retweets.requests_left} cannot be: a change takes two requests, and"
            f" retweets.requests_per_window is {retweets.requests_per_window}; lower it"
        )
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
