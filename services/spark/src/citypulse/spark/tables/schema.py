"""The schema: every `.cql` file of the directory `schema` is a step, in the order of their numbers.

A step is done once for a keyspace and written down in `schema_steps`; what makes a missing table, gives it
the configured TTL and compaction, or fills it, is done at every start. So a table's CREATE says what it is
now, and a later step (ALTER … ADD IF NOT EXISTS …) brings an older one there. Every statement can be run
twice, and by two at once.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

import re
import time
from importlib import resources
from typing import NamedTuple

from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.protocol import ConfigurationException

from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError
from citypulse.spark.tables.connection import short

_AT_EVERY_START = re.compile(r"CREATE \w+ IF NOT EXISTS |ALTER TABLE \S+ WITH |INSERT INTO ")


class Step(NamedTuple):
    """One file of the schema, with the configured values filled in."""

    number: int
    name: str
    statements: list[str]


def create(session: Session, config: Config) -> None:
    """Bring the run's keyspace to the newest step.

    Raises:
        BadInputError: Cassandra refuses a statement because of what is configured.
    """
    done: set[int] = set()
    for step in steps(config):
        for statement in step.statements:
            if step.number not in done or _AT_EVERY_START.match(statement):
                _execute(session, statement)
        if not done:
            # The first step makes the table that says which steps are done.
            done = {row.step for row in session.execute(f"SELECT step FROM {config.keyspace}.schema_steps")}
        if step.number not in done:
            session.execute(
                f"INSERT INTO {config.keyspace}.schema_steps (step, name, done_at) VALUES (%s, %s, %s)",
                (step.number, step.name, time.time_ns() // 1_000_000),
            )


def _execute(session: Session, statement: str) -> None:
    try:
        session.execute(statement, timeout=60)
    except (InvalidRequest, ConfigurationException) as error:
        head = statement.partition("\n")[0]
        raise BadInputError(f"cassandra: {short(error)} (in: {head})") from error


def statements(config: Config) -> list[str]:
    """Every statement of all steps."""
    return [statement for step in steps(config) for statement in step.statements]


def steps(config: Config) -> list[Step]:
    """The steps in their order."""
    directory = resources.files("citypulse.spark.tables").joinpath("schema")
    files = sorted(directory.iterdir(), key=lambda file: file.name)
    return [_step(file.name.removesuffix(".cql"), file.read_text(), config) for file in files]


def _step(name: str, text: str, config: Config) -> Step:
    cassandra = config.cassandra
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    filled = "\n".join(lines).format(
        keyspace=config.keyspace,
        datacenter=cassandra.local_datacenter,
        replication_factor=cassandra.replication_factor,
        windows_compaction=_map(cassandra.windows_compaction),
        cities_compaction=_map(cassandra.cities_compaction),
        windows_ttl=round(cassandra.windows_ttl_days * 86400),
        hours_compaction=_map(cassandra.hours_compaction),
        hours_ttl=round(cassandra.hours_ttl_days * 86400),
        ranks_compaction=_map(cassandra.ranks_compaction),
    )
    made = [statement.strip() for statement in filled.split(";") if statement.strip()]
    return Step(int(name.partition("_")[0]), name, made)


def _map(options: dict[str, str]) -> str:
    quoted = (
        f"'{key.replace(chr(39), '')}': '{value.replace(chr(39), '')}'" for key, value in options.items()
    )
    return "{" + ", ".join(quoted) + "}"
