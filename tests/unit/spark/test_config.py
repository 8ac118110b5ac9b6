"""Configuration: files, environment, and one sentence for each mistake."""

from pathlib import Path

import pytest

from citypulse.spark.config import Config, load
from citypulse.spark.errors import BadInputError

GOOD = 'checkpoint_dir = "/var/c"\n'


def written(directory: Path, text: str) -> Path:
    file = directory / "job.toml"
    file.write_text(text)
    return file


def test_defaults_are_the_live_run(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD), {})
    assert config.prefixed_topics == ("tweets",)
    assert config.places_topic == "places"
    assert config.keyspace == "citypulse"


def test_a_run_prefixes_topics_and_keyspace(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'run = "demo"\ntopics = ["tweets", "tweets.vote"]\n' + GOOD), {})
    assert config.prefixed_topics == ("demo.tweets", "demo.tweets.vote")
    assert config.places_topic == "demo.places"
    assert config.keyspace == "citypulse_demo"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load(
        written(tmp_path, GOOD + "trigger_seconds = 60\n[cassandra]\nport = 1\n"),
        {
            "CITYPULSE_SPARK_TRIGGER_SECONDS": "2.5",
            "CITYPULSE_SPARK_TOPICS": "tweets, tweets.vote",
            "CITYPULSE_SPARK_KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2",
            "CITYPULSE_SPARK_CASSANDRA_PORT": "9142",
            "CITYPULSE_SPARK_CASSANDRA_WINDOWS_COMPACTION": '{"class": "UnifiedCompactionStrategy"}',
            "CITYPULSE_SPARK_SPARK_DRIVER_PORT": "17090",
            "CITYPULSE_SPARK_SPARK_PROPERTIES": '{"spark.a": "b"}',
            "CITYPULSE_PRODUCER_NAME": "somebody else's",
        },
    )
    assert config.trigger_seconds == 2.5
    assert config.topics == ("tweets", "tweets.vote")
    assert config.kafka.bootstrap_servers == ("a:1", "b:2")
    assert config.cassandra.port == 9142
    assert config.cassandra.windows_compaction == {"class": "UnifiedCompactionStrategy"}
    assert config.spark.driver_port == 17090
    assert config.spark.properties == {"spark.a": "b"}


def test_the_environment_alone_is_enough() -> None:
    assert isinstance(load(None, {"CITYPULSE_SPARK_CHECKPOINT_DIR": "/c"}), Config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "checkpoint_dir is not set"),
        (GOOD + "[cassandra]\nprot = 1", "cassandra.prot is not a key"),
        (GOOD + "[cassandra]\nport = 70000", "cassandra.port = 70000 cannot be"),
        (GOOD + '[cassandra]\nconsistency = "MOST"', "cassandra.consistency = 'MOST' cannot be"),
        (GOOD + "[cassandra.windows_compaction]\nx = 'y'", "cassandra.windows_compaction names no class"),
        (GOOD + 'run = "Demo 1"', "run = 'Demo 1' cannot be"),
        (GOOD + "topics = []", "topics is empty"),
        (GOOD + "topics = ['a b']", "topics"),
        (GOOD + "[kafka]\nbootstrap_servers = ['host']", "kafka.bootstrap_servers: 'host' cannot be"),
        (GOOD + "[kafka]\nbootstrap_servers = []", "kafka.bootstrap_servers is empty"),
        (GOOD + "[cassandra]\ncontact_points = []", "cassandra.contact_points is empty"),
        (GOOD + "[spark]\nexecutor_cores = 4", "spark.executor_cores = 4 is more than spark.cores = 2"),
        (GOOD + "[spark]\nexecutor_memory = 'much'", "spark.executor_memory = 'much' cannot be"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInputError, match=r"^[^\n]+$") as caught:
        load(written(tmp_path, text), {})
    assert said in str(caught.value)


def test_a_variable_that_is_no_key_is_named() -> None:
    with pytest.raises(BadInputError, match=r"^CITYPULSE_SPARK_SPARK_PROPERTY names no key of the job's"):
        load(None, {"CITYPULSE_SPARK_SPARK_PROPERTY": "{}"})
