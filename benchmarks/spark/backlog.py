"""How fast the real job takes a backlog, how long a small batch takes, and what memory it needs.

    make up && sed -e 's/^run = .*/run = "bench"/' -e 's/spark-job-demo/spark-job-bench/' \\
        .citypulse/etc/spark-job-demo/config.toml >job.toml         # after a demo, with its services stopped
    PYTHONPATH=$(ls -d services/*/src | paste -sd:) .citypulse/dev/bin/python benchmarks/spark/backlog.py \\
        --config job.toml --job .citypulse/bin/citypulse-spark [--events 400000] [--batch 100000]

job.toml is a configuration of citypulse-spark for servers on this machine that do nothing else; its run must
be `bench`, whose topic, tables and checkpoint are made anew. Prints events a second of all batches but the
first (which warms the JVM) from trigger to commit, Cassandra included; then 20 batches of 200 events; then
resident memory. Ends with 1 when the tables do not hold exactly what was sent.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from made_events import events

from citypulse.events.event import Event, encode
from citypulse.spark import tables
from citypulse.spark.config import Config, load
from citypulse.spark.verify import stored

SMALL = 200
SMALL_BATCHES = 20


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--config", required=True, type=Path)
    options.add_argument("--job", required=True, type=Path, help="the installed citypulse-spark")
    options.add_argument("--events", type=int, default=400_000)
    options.add_argument("--batch", type=int, default=100_000)
    given = options.parse_args()
    config = load(given.config, os.environ)
    if config.run != "bench":
        raise SystemExit(f"run = {config.run!r} cannot be: this empties the run, so it must be 'bench'")
    made = list(events(given.events + SMALL * SMALL_BATCHES))
    topic = fresh(config, given)
    send(config, topic, made[: given.events])
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        environment = os.environ | {
            "CITYPULSE_SPARK_MAX_OFFSETS_PER_TRIGGER": str(given.batch),
            "CITYPULSE_SPARK_TRIGGER_SECONDS": "0",
        }
        command = [given.job, "job", "--config", given.config]
        with Path(log.name).open("w") as out:
            job = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        try:
            backlog = batches(log, job, 1)
            used = -processor(config, job)
            backlog += batches(log, job, given.events - sum(one["records"] for one in backlog))
            used += processor(config, job)
            time.sleep(5)
            for number in range(SMALL_BATCHES):
                start = given.events + number * SMALL
                send(config, topic, made[start : start + SMALL])
                batches(log, job, SMALL)
            log.seek(0)
            small = [one for one in all_batches(log) if one["records"] <= SMALL]
            memory = resident(config, job)
        finally:
            job.terminate()
            job.wait(60)
    warm = backlog[1:]
    rate = sum(one["records"] for one in warm) / sum(one["seconds"] for one in warm)
    print(
        f"state store {config.state_store}, {config.shuffle_partitions} partitions, batches of {given.batch}"
    )
    print("batches:", ", ".join(f"{one['records']} in {one['seconds']} s" for one in backlog))
    records = sum(one["records"] for one in warm)
    print(f"warm: {rate:,.0f} events/s, {records / used:,.0f} a processor second of driver and executor")
    seconds = sorted(one["seconds"] for one in small[5:])
    print(f"a batch of {SMALL}: median {statistics.median(seconds):.2f} s, longest {seconds[-1]:.2f} s")
    print("resident MB:", ", ".join(f"{name} {size}" for name, size in memory.items()))
    check(config, len(made))


def fresh(config: Config, given: argparse.Namespace) -> str:
    """An empty run with its topic of four partitions."""
    drop = [given.job, "drop", "--yes", "--config", given.config]
    subprocess.run(drop, check=True, stdout=subprocess.DEVNULL)
    topic = config.prefixed_topics[0]
    admin = KafkaAdminClient(bootstrap_servers=list(config.kafka.bootstrap_servers))
    if topic in admin.list_topics():
        admin.delete_topics([topic])
        time.sleep(3)
    admin.create_topics([NewTopic(topic, 4, 1)])
    admin.close()
    return topic


def send(config: Config, topic: str, some: list[Event]) -> None:
    producer = KafkaProducer(
        bootstrap_servers=list(config.kafka.bootstrap_servers), acks=1, linger_ms=20, batch_size=262_144
    )
    for event in some:
        producer.send(topic, key=b"%d" % event.post, value=encode(event))
    producer.flush()
    producer.close()


def batches(log: Any, job: "subprocess.Popen[bytes]", records: int) -> list[dict[str, Any]]:
    """The next batches from the job's log, until they amount to so many records."""
    found: list[dict[str, Any]] = []
    while sum(one["records"] for one in found) < records:
        if job.poll() is not None:
            raise SystemExit(f"the job ended with {job.returncode}")
        time.sleep(0.1)
        found += all_batches(log)
    return found


def all_batches(log: Any) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in log if line.endswith("\n"))
    return [line for line in lines if line["event"] == "batch"]


def processes(config: Config, job: "subprocess.Popen[bytes]") -> dict[str, list[psutil.Process]]:
    """The driver's two processes, the executor, and its Python workers."""
    driver = psutil.Process(job.pid)
    found = {"driver Python": [driver], "driver JVM": driver.children(recursive=True)}
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "CoarseGrainedExecutorBackend" in line and f":{config.spark.driver_port} " in line:
            found |= {"executor JVM": [process], "executor Python": process.children(recursive=True)}
    return found


def resident(config: Config, job: "subprocess.Popen[bytes]") -> dict[str, int]:
    """MB by kind of process."""
    found = processes(config, job)
    return {name: sum(one.memory_info().rss for one in some) >> 20 for name, some in found.items()}


def processor(config: Config, job: "subprocess.Popen[bytes]") -> float:
    """Seconds that all of them have used."""
    times = (one.cpu_times() for some in processes(config, job).values() for one in some)
    return sum(one.user + one.system for one in times)


def check(config: Config, sent: int) -> None:
    session = tables.wait(config.cassandra)
    rows = stored.read(session, config.keyspace, "country_windows")
    session.cluster.shutdown()
    counted = sum(row["tweets"] for key, row in rows.items() if key[1] == "*")
    print(f"sent {sent}, counted {counted}")
    if counted != sent:
        sys.exit(1)


if __name__ == "__main__":
    main()
