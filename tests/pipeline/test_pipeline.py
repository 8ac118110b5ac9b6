"""The whole path on real servers: each test says what must hold, and the tests stand in the order they run.

One set of servers serves them all; every feed is a run of its own with fresh topics, journal, checkpoint and
tables, ended by the two ledgers and the recount.
"""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from citypulse.control.faults import Exit
from citypulse.control.metrics import scrape, value
from tests.pipeline.system import CHECKOUT, System

ANCHORS = CHECKOUT / "tests" / "anchors"


def test_a_demo_is_exact(system: System) -> None:
    system.control("demo", RATE="150", DURATION="20s")


def test_the_committed_tweets_equal_their_anchors(system: System) -> None:
    """The demo before left other tweets in run `demo`: a fresh run holds none of them."""
    system.control("demo", TWEETS=str(ANCHORS / "tweets.jsonl"))
    assert system.spark("verify", "--anchors", str(ANCHORS)) == 0


def test_tables_that_hold_another_source_are_said_to_be_so(system: System, tmp_path: Path) -> None:
    """One tweet of the file is enough of a file that never was the source: not a thousand differences."""
    other = tmp_path / "other.jsonl"
    first = (ANCHORS / "tweets.jsonl").read_text().splitlines()[0]
    other.write_text(first + "\n")
    assert system.spark("verify", "--tweets", str(other)) == 2


def test_the_seed_capture_equals_its_anchors_whatever_happens_on_the_way(
    system: System, seed_capture: Path
) -> None:
    """Half is sent; then the producer is killed, the job restarted; and at the end all is sent once more."""
    tweets = str(seed_capture / "tweets.json")
    demo = system.begin("demo", TWEETS=tweets, COUNTRIES="CA", RATE="2")
    system.wait_for("half of the capture to be sent", lambda: _sent(system) >= 37, 600)
    replay = system.signal("replay-demo", signal.SIGSTOP)
    sent = _journaled_all(system)
    producer = system.signal("producer-demo", signal.SIGKILL)
    job = system.service("spark-job-demo").pid
    system.restart("spark-job-demo")
    system.wait_for("another producer", lambda: system.service("producer-demo").pid not in (0, producer))
    system.signal("replay-demo", signal.SIGCONT)
    assert system.service("replay-demo").pid == replay
    assert demo.wait() == 0
    assert sent >= 37
    assert system.service("spark-job-demo").pid != job
    assert system.spark("verify", "--tweets", tweets, "--place-country", "CA") == 0
    assert system.spark("verify", "--anchors", str(seed_capture)) == 0

    system.control("demo", TWEETS=tweets, COUNTRIES="CA", RATE="40", KEEP="1")
    assert system.spark("verify", "--tweets", tweets, "--place-country", "CA") == 0
    assert system.spark("verify", "--anchors", str(seed_capture)) == 0


def test_a_token_that_x_refuses_ends_the_live_run_with_3(system: System, tmp_path: Path) -> None:
    """The demo's replay answers as X does: 401 to a token that it does not know."""
    token = tmp_path / "token"
    token.write_text("nobody's")
    live = {"X_BEARER_TOKEN_FILE": str(token), "COUNTRIES": "CA GB"}
    replay = f"http://{system.installation.address(8900)}"
    assert system.control("up", check=False, X_API_URL=replay, **live) == Exit.REFUSED
    assert not system.service("producer-live").pid


def test_down_then_up_keeps_topics_tables_checkpoint_and_journal(system: System) -> None:
    before = _kept(system)
    system.control("down")
    assert system.names() == []
    system.control("up")
    assert _kept(system) == before
    system.control("verify")


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


def _sent(system: System) -> int:
    try:
        with urllib.request.urlopen(
            f"http://{system.installation.address(8900)}/status", timeout=5
        ) as answer:
            return int(json.load(answer)["sent"])
    except OSError:
        return 0


def _journaled_all(system: System) -> int:
    """Wait until the producer has journaled what the stopped replay had sent; how much that is.

    Replay cannot answer while it is stopped: the truth file says what it sent.
    """
    truth = max(Path(system.home, "runs", "demo").glob("truth-*.jsonl"))
    sent = len(truth.read_text().splitlines()) - 1

    def accepted() -> bool:
        samples = scrape(system.installation.run_address("demo", 9301))
        return value(samples, "citypulse_producer_accepted_total") >= sent

    system.wait_for(f"{sent} tweets in the journal", accepted)
    return sent


def _kept(system: System) -> dict[str, object]:
    consumer = KafkaConsumer(bootstrap_servers=system.bootstrap, api_version=(3, 9))
    partitions = [TopicPartition("demo.tweets", number) for number in range(4)]
    ends = consumer.end_offsets(partitions)
    consumer.close()
    state = Path(system.home, "var")
    return {
        "topic": {p.partition: offset for p, offset in ends.items()},
        "journal": sorted(p.name for p in (state / "producer-demo" / "journal").glob("*")),
        "checkpoint": sorted(p.name for p in (state / "spark-job-demo" / "checkpoint").glob("*/*")),
    }
