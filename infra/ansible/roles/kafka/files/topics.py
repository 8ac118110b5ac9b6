"""Makes topics, or alters those that differ, or deletes those of a run, with the tools in Kafka's own jars.

A tool starts a Java machine (2 to 3 s): one call describes all topics, only what differs costs more.
"""

import concurrent.futures
import json
import re
import subprocess
import sys
import time

from kafka_metadata import metadata

DELETE_DEADLINE_S = 60
TOPICS, CONFIGS = "org.apache.kafka.tools.TopicCommand", "kafka.admin.ConfigCommand"


def bring(request):
    """Bring `request["topics"]` into being as wanted; returns what was done, a word and a name each."""
    present = _described(_tool(request, TOPICS, "--describe"))
    calls = []
    for topic in request["topics"]:
        calls += _calls(topic, present.get(topic["name"]))
    if not request["check"]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda call: _tool(request, *call[1]), calls))
    return [done for done, _ in calls]


def _calls(topic, present):
    name, config = topic["name"], {key: str(value) for key, value in topic["config"].items()}
    if present is None:
        settings = [word for key, value in config.items() for word in ("--config", f"{key}={value}")]
        shape = [
            "--partitions",
            str(topic["partitions"]),
            "--replication-factor",
            str(topic["replication_factor"]),
        ]
        return [
            (f"create {name}", [TOPICS, "--create", "--if-not-exists", "--topic", name, *shape, *settings])
        ]
    if present["partitions"] > topic["partitions"]:
        raise SystemExit(
            f"topic {name} has {present['partitions']} partitions, {topic['partitions']} are wanted:"
            " partitions can't be taken away, correct kafka_topics or delete the topic"
        )
    if present["replication_factor"] != topic["replication_factor"]:
        raise SystemExit(
            f"topic {name} has {present['replication_factor']} replicas, not {topic['replication_factor']}:"
            " correct kafka_topics, or reassign its partitions with kafka-reassign-partitions"
        )
    calls = []
    if present["partitions"] < topic["partitions"]:
        grow = ["--alter", "--topic", name, "--partitions", str(topic["partitions"])]
        calls.append((f"add partitions to {name}", [TOPICS, *grow]))
    other = {key: value for key, value in config.items() if present["config"].get(key) != value}
    if other:
        settings = ",".join(f"{key}=[{value}]" for key, value in other.items())
        entity = ["--alter", "--entity-type", "topics", "--entity-name", name, "--add-config", settings]
        calls.append((f"set {', '.join(other)} of {name}", [CONFIGS, *entity]))
    return calls


def _described(text):
    """Partitions, replicas and own settings of each topic, from the tool's words."""
    topics = {}
    for line in text.splitlines():
        found = re.match(
            r"Topic: (\S+)\s.*PartitionCount: (\d+)\s+ReplicationFactor: (\d+)\s+Configs:\s*(\S*)", line
        )
        if found:
            # A value may hold commas of its own (compact,delete).
            pairs = (pair.split("=", 1) for pair in re.split(r",(?=[a-z.]+=)", found[4]) if pair)
            topics[found[1]] = {
                "partitions": int(found[2]),
                "replication_factor": int(found[3]),
                "config": dict(pairs),
            }
    return topics


def delete(request):
    """Delete all topics below `request["prefix"]` and wait until no broker knows them; their names."""
    names = _below(request)
    if not names or request["check"]:
        return names
    pattern = re.escape(request["prefix"]).replace("\\-", "-") + ".*"
    _tool(request, TOPICS, "--delete", "--if-exists", "--topic", pattern)
    deadline = time.monotonic() + DELETE_DEADLINE_S
    while left := _below(request):
        if time.monotonic() > deadline:
            raise SystemExit(
                f"topics {', '.join(left)} are still there {DELETE_DEADLINE_S} s after their deletion"
            )
        time.sleep(0.3)
    return names


def _below(request):
    names = set()
    for endpoint in request["bootstrap_servers"]:
        address, port = endpoint.rsplit(":", 1)
        names.update(
            name for name in metadata(address, int(port))["topics"] if name.startswith(request["prefix"])
        )
    return sorted(names)


def _tool(request, tool, *arguments):
    command = [
        *request["java"],
        tool,
        "--bootstrap-server",
        ",".join(request["bootstrap_servers"]),
        *arguments,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{tool} {' '.join(arguments)} failed:\n{run.stdout.strip()}\n{run.stderr.strip()}")
    return run.stdout


def main():
    """Answer one request; what was done goes to standard output."""
    request = json.loads(sys.argv[1])
    print(json.dumps((delete if "prefix" in request else bring)(request)))


if __name__ == "__main__":
    main()
