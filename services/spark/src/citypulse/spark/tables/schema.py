"""The schema: every `.cql` file of the directory `schema`, in the order of their numbers."""

from importlib import resources

from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.protocol import ConfigurationException

from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError
from citypulse.spark.tables.connection import short


def create(session: Session, config: Config) -> None:
    """Make the run's keyspace and tables where they are missing, and give them the configured TTL and
    compaction.

    Raises:
        BadInputError: Cassandra refuses a statement because of what is configured.
    """
    for statement in statements(config):
        try:
            session.execute(statement, timeout=60)
        except (InvalidRequest, ConfigurationException) as error:
            head = statement.partition("\n")[0]
            raise BadInputError(f"cassandra: {short(error)} (in: {head})") from error


def statements(config: Config) -> list[str]:
    """The schema's statements with the configured values filled in."""
    cassandra = config.cassandra
    steps = sorted(
        resources.files("citypulse.spark.tables").joinpath("schema").iterdir(), key=lambda step: step.name
    )
    lines = [line for step in steps for line in step.read_text().splitlines() if not line.startswith("--")]
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
    return [statement.strip() for statement in filled.split(";") if statement.strip()]


def _map(options: dict[str, str]) -> str:
    quoted = (
        f"'{key.replace(chr(39), '')}': '{value.replace(chr(39), '')}'" for key, value in options.items()
    )
    return "{" + ", ".join(quoted) + "}"
