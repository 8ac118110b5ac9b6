"""The configuration of a board: a TOML file, and environment variables over it.

Every key `[section] key` is also the environment variable CITYPULSE_BOARD_<SECTION>_<KEY>.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from citypulse import settings

PREFIX = "CITYPULSE_BOARD_"

Seconds = Annotated[float, Meta(gt=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Http(settings.Section, frozen=True):
    """Where pages are served."""

    address: str = "127.0.0.1"
    port: Port = 3000


class Cassandra(settings.Section, frozen=True):
    """The tables."""

    contact_points: tuple[str, ...] = ("127.0.0.1",)
    port: Port = 9042
    local_datacenter: str = "datacenter1"
    keyspace: str = ""
    """Whose tables are shown at first; empty: what the dashboards say."""
    request_seconds: Seconds = 10.0
    """How long a query may take before its panel says that Cassandra is slow."""
    concurrency: Annotated[int, Meta(ge=1)] = 8
    """Queries under way at a time."""


class Prometheus(settings.Section, frozen=True):
    """What services, servers and hosts say of themselves."""

    url: Annotated[str, Meta(pattern=r"^https?://")] = "http://127.0.0.1:9090"
    request_seconds: Seconds = 10.0
    scrape_seconds: Annotated[int, Meta(ge=1)] = 15
    """How often it looks; no two points of a line are nearer."""


class Config(settings.Section, frozen=True):
    """Everything that a board can be told."""

    dashboards: str = ""
    """Directory of the dashboards' files; empty: those that came with the board."""
    cache_seconds: Seconds = 60.0
    """How long an answer serves every viewer: no longer than until the numbers change, which is the job's
    trigger."""
    http: Http = msgspec.field(default_factory=Http)
    cassandra: Cassandra = msgspec.field(default_factory=Cassandra)
    prometheus: Prometheus = msgspec.field(default_factory=Prometheus)


def load(file: Path | None, environment: Mapping[str, str]) -> Config:
    """Read the configuration.

    Raises:
        BadSettingError: a key is unknown, or a value cannot be; one sentence that names it.
    """
    config = settings.load(Config, name="board", prefix=PREFIX, file=file, environment=environment)
    if not config.cassandra.contact_points:
        raise settings.BadSettingError("cassandra.contact_points is empty: name at least one host")
    return config
