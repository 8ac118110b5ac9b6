"""The whole path on real servers: each test says what must hold, and the tests stand in the order they run.

One set of servers serves them all; every feed is a run of its own with fresh topics, journal, checkpoint and
tables, ended by the two ledgers and the recount.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from citypulse.control.faults import Exit
from citypulse.control.metrics import scrape, value
from citypulse.control.runs import lines_of
from tests.system import CHECKOUT, System

ANCHORS = CHECKOUT / "tests" / "anchors"
TWEETS = ANCHORS / "tweets.jsonl"
"""Generated, with anchors that were made by SQL and checked by hand."""


def test_a_demo_is_exact(system: System) -> None:
    system.control("demo", RATE="150", DURATION="20s")


def test_the_seed_capture_equals_its_anchors(system: System, seed_capture: Path) -> None:
    """The demo before left other tweets in run `demo`: a fresh run holds none of them."""
    tweets = str(seed_capture / "tweets.json")
    system.control("demo", TWEETS=tweets, COUNTRIES="CA")
    assert system.spark("verify", "--tweets", tweets, "--place-country", "CA") == 0
    assert system.spark("verify", "--anchors", str(seed_capture)) == 0


def test_a_kill_a_restart_and_all_of_it_once_more_leave_the_numbers_as_they_are(system: System) -> None:
    """Half is sent; then the producer is killed, the job restarted; and at the end all is sent again."""
    before = _truths(system)
    demo = system.begin("demo", TWEETS=str(TWEETS), RATE="4")
    system.wait_for("half of the tweets to be sent", lambda: _sent(_truths(system) - before) >= 80, 600)
    system.wait_for("the job to have counted some", lambda: _job(system, "batches_total") >= 1)
    replay = system.signal("replay-demo", signal.SIGSTOP)
    assert 80 <= _journaled_all(system, _truths(system) - before) < 160
    producer = system.signal("producer-demo", signal.SIGKILL)
    job = system.service("spark-job-demo").pid
    system.restart("spark-job-demo")
    system.wait_for("another producer", lambda: system.service("producer-demo").pid not in (0, producer))
    system.signal("replay-demo", signal.SIGCONT)
    assert system.service("replay-demo").pid == replay
    assert demo.wait() == 0
    assert system.service("spark-job-demo").pid != job
    assert system.spark("verify", "--tweets", str(TWEETS)) == 0
    assert system.spark("verify", "--anchors", str(ANCHORS)) == 0

    system.control("demo", TWEETS=str(TWEETS), RATE="100", KEEP="1")
    assert system.spark("verify", "--tweets", str(TWEETS)) == 0
    assert system.spark("verify", "--anchors", str(ANCHORS)) == 0


def test_tables_that_hold_another_source_are_said_to_be_so(system: System, tmp_path: Path) -> None:
    """A file of one of the tweets never was the source of all of them: not a thousand differences."""
    other = tmp_path / "other.jsonl"
    other.write_text(TWEETS.read_text().splitlines()[0] + "\n")
    assert system.spark("verify", "--tweets", str(other)) == Exit.BAD_INPUT


def test_a_token_that_x_refuses_ends_the_live_run_with_3(system: System, tmp_path: Path) -> None:
    """The demo's replay answers as X does: 401 to a token that it does not know."""
    token = tmp_path / "token"
    token.write_text("nobody's")
    live = {"X_BEARER_TOKEN_FILE": str(token), "COUNTRIES": "CA GB"}
    replay = f"http://{system.installation.address(8900)}"
    assert system.control("up", check=False, X_API_URL=replay, **live) == Exit.REFUSED
    assert not system.service("producer-live").pid


@pytest.mark.takes_turns(3.5)
def test_down_then_up_keeps_topics_tables_checkpoint_and_journal(system: System) -> None:
    before = _kept(system)
    system.control("down")
    assert system.names() == []
    system.control("up")
    assert _kept(system) == before
    system.control("verify")
    # The job goes on from its checkpoint: what is sent once more is known to it, and changes nothing.
    system.control("demo", TWEETS=str(TWEETS), RATE="100", KEEP="1")
    assert system.spark("verify", "--anchors", str(ANCHORS)) == 0
    assert _kept(system)["batches"] > before["batches"]


def test_a_record_two_days_old_survives_a_retention_pass(system: System) -> None:
    """Retention looks every 5 s here; a topic judged by the time of creation shows that it has looked."""
    ours, control = TopicPartition("demo.tweets", 0), TopicPartition("judged-by-creation", 0)
    admin = KafkaAdminClient(bootstrap_servers=system.bootstrap)
    by_creation = {"message.timestamp.type": "CreateTime", "retention.ms": "86400000"}
    admin.create_topics([NewTopic(control.topic, 1, 2, topic_configs=by_creation)])
    two_days_ago = int((time.time() - 2 * 86400) * 1000)
    producer = KafkaProducer(bootstrap_servers=system.bootstrap, acks="all")
    offsets: dict[TopicPartition, int] = {}
    for partition in (ours, control):
        sent = producer.send(
            partition.topic, partition=partition.partition, value=b"{}", timestamp_ms=two_days_ago
        )
        offsets[partition] = sent.get(timeout=60).offset
    producer.close()

    consumer = KafkaConsumer(bootstrap_servers=system.bootstrap)
    system.wait_for(
        "retention to delete the record judged by its creation",
        lambda: consumer.beginning_offsets([control])[control] == 1,
    )
    assert consumer.beginning_offsets([ours])[ours] == 0
    assert consumer.end_offsets([ours])[ours] == offsets[ours] + 1
    consumer.close()
    admin.delete_topics([control.topic])
    admin.close()


def test_a_demo_after_the_capture_is_exact_again(system: System) -> None:
    system.control("demo", RATE="150", DURATION="20s")


def test_a_second_run_of_the_playbook_changes_nothing(system: System) -> None:
    assert system.converge() == 0


def _truths(system: System) -> set[Path]:
    """What replay of this demo, or of one before, has written down."""
    return set(Path(system.home, "runs", "demo").glob("truth-*.jsonl"))


def _sent(truths: set[Path]) -> int:
    return sum(lines_of(truth) for truth in truths)


def _journaled_all(system: System, truths: set[Path]) -> int:
    """Wait until the producer has journaled what the stopped replay had sent; how much that is.

    Replay cannot answer while it is stopped: the truth file says what it sent.
    """
    sent = _sent(truths)

    def accepted() -> bool:
        samples = scrape(system.installation.run_address("demo", 9301))
        return value(samples, "citypulse_producer_accepted_total") >= sent

    system.wait_for(f"{sent} tweets in the journal", accepted)
    return sent


def _job(system: System, name: str) -> float:
    return value(scrape(system.installation.run_address("demo", 9302)), f"citypulse_spark_{name}")


def _kept(system: System) -> dict[str, Any]:
    consumer = KafkaConsumer(bootstrap_servers=system.bootstrap)
    partitions = [TopicPartition("demo.tweets", number) for number in range(4)]
    ends = consumer.end_offsets(partitions)
    consumer.close()
    state = Path(system.home, "var")
    checkpoint = state / "spark-job-demo" / "checkpoint"
    return {
        "topic": {p.partition: offset for p, offset in ends.items()},
        "journal": {
            path.name: path.stat().st_size for path in (state / "producer-demo" / "journal").glob("*.segment")
        },
        "batches": max(int(p.name) for p in checkpoint.glob("*/commits/*") if p.name.isdigit()),
    }
