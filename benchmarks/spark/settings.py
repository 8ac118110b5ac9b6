"""What a benchmark can be told of the job's state and JVMs."""

from __future__ import annotations

import argparse
from typing import Any

STORES = ("rocksdb", "memory")


def add(options: argparse.ArgumentParser) -> None:
    """The options that `job` reads."""
    options.add_argument("--partitions", type=int, default=2)
    options.add_argument("--executor-memory", default="1g")
    options.add_argument("--collector", default="G1", help="of the executor's garbage, as Parallel")
    options.add_argument(
        "--property", nargs="*", default=[], help="Spark's own, as spark.memory.fraction=0.5"
    )


def job(given: argparse.Namespace, store: str, **more: Any) -> dict[str, Any]:
    """The job's configuration. The driver's code is optimised, as in a deployment; on one machine it starts
    sooner instead."""
    return {
        "state_store": store,
        "shuffle_partitions": given.partitions,
        "spark": {
            "driver_jvm_options": ["-XX:+UseSerialGC"],
            "executor_memory": given.executor_memory,
            "executor_jvm_options": [f"-XX:+Use{given.collector}GC"],
            "properties": dict(one.split("=", 1) for one in given.property),
        },
        **more,
    }
