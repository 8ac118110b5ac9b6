"""Topics are described by one call of Kafka's tool, and only what differs costs another."""

import json
import sys

import pytest

SOURCES = {"kafka_metadata": "kafka/files/kafka_metadata.py", "topics": "kafka/files/topics.py"}
SHAPE = "Topic: {}\tTopicId: abc\tPartitionCount: {}\tReplicationFactor: 2\tConfigs: {}\n"
DESCRIBED = (
    SHAPE.format("demo.tweets", 4, "retention.ms=5,cleanup.policy=compact,delete")
    + "\tTopic: demo.tweets\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\n"
    + SHAPE.format("plain", 1, "")
)


@pytest.fixture
def bring(program, tmp_path):
    """`bring(topic, …)`: what was done, and the calls of the tool that it took."""
    (tmp_path / "described").write_text(DESCRIBED)
    tool = tmp_path / "tool.py"
    tool.write_text(
        "import pathlib, sys\nhere = pathlib.Path(__file__).parent\n"
        "with (here / 'calls').open('a') as calls:\n    print(*sys.argv[1:], file=calls)\n"
        "if '--describe' in sys.argv:\n    print((here / 'described').read_text())\n"
    )

    def run(*topics, check=False):
        request = {
            "java": [sys.executable, str(tool)],
            "bootstrap_servers": ["127.0.0.1:1"],
            "topics": topics,
            "check": check,
        }
        done = program(request, **SOURCES)
        if done.returncode:
            return done.stderr.strip(), []
        return json.loads(done.stdout), (tmp_path / "calls").read_text().splitlines()

    return run


def _topic(name, partitions=4, replicas=2, **config):
    settings = {key.replace("_", "."): value for key, value in config.items()}
    return {"name": name, "partitions": partitions, "replication_factor": replicas, "config": settings}


def test_what_is_as_wanted_costs_one_call(bring):
    done, calls = bring(
        _topic("demo.tweets", retention_ms=5, cleanup_policy="compact,delete"), _topic("plain", 1)
    )
    assert (done, len(calls)) == ([], 1)


def test_what_is_missing_is_made_with_its_settings(bring):
    done, calls = bring(_topic("new", retention_ms=7))
    assert done == ["create new"]
    assert calls[1].endswith(
        "--create --if-not-exists --topic new --partitions 4 --replication-factor 2 --config retention.ms=7"
    )


def test_only_the_setting_that_differs_is_set(bring):
    done, calls = bring(_topic("demo.tweets", retention_ms=6, cleanup_policy="compact,delete"))
    assert done == ["set retention.ms of demo.tweets"]
    assert calls[1].endswith("--entity-name demo.tweets --add-config retention.ms=[6]")


def test_partitions_are_added(bring):
    done, calls = bring(_topic("plain", 3))
    assert done == ["add partitions to plain"]
    assert calls[1].endswith("--alter --topic plain --partitions 3")


def test_partitions_are_never_taken_away(bring):
    sentence, _ = bring(_topic("demo.tweets", 2))
    assert "topic demo.tweets has 4 partitions, 2 are wanted" in sentence


def test_another_number_of_replicas_is_refused(bring):
    sentence, _ = bring(_topic("plain", 1, replicas=3))
    assert "topic plain has 2 replicas, not 3" in sentence


def test_check_mode_tells_and_makes_nothing(bring):
    done, calls = bring(_topic("new"), check=True)
    assert (done, len(calls)) == (["create new"], 1)
