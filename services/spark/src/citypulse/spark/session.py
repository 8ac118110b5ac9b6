"""Spark as the job runs it: the driver in this process, executors on the standalone cluster, every port
known."""

import os
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from citypulse.spark.config import Config, python_of_executors
from citypulse.spark.errors import BadInputError

_STATE_STORES = {
    "rocksdb": "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider",
    "memory": "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider",
}
# Spark's own choice, over Hadoop's FileContext, starts a process for each link that it looks for in a local
# directory: dozens a batch. What it writes, and renames when it is whole, is the same.
_LOCAL_CHECKPOINT = {
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
}


def start(config: Config) -> SparkSession:
    """A session on the configured master.

    Raises:
        BadInputError: the connector's jars are not where the configuration says.
    """
    # Everything of Spark that listens and has no port of its own, and its web pages, take this address.
    os.environ.setdefault("SPARK_LOCAL_IP", config.spark.driver_host)
    os.environ["PYSPARK_PYTHON"] = python_of_executors(config)
    builder = SparkSession.builder.master(config.spark.master)
    for key, value in properties(config).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def properties(config: Config) -> dict[str, str]:
    """Spark's properties for this configuration."""
    spark = config.spark
    log4j = resources.files("citypulse.spark") / "log4j2.properties"
    jvm = f"-Dlog4j2.configurationFile=file:{log4j} -Duser.timezone=UTC"
    base = {
        "spark.app.name": spark.app_name or (f"citypulse-{config.run}" if config.run else "citypulse"),
        "spark.submit.deployMode": "client",
        "spark.driver.host": spark.driver_host,
        "spark.driver.bindAddress": spark.driver_host,
        "spark.driver.port": str(spark.driver_port),
        "spark.driver.blockManager.port": str(spark.driver_block_manager_port),
        "spark.blockManager.port": str(spark.block_manager_port),
        "spark.ui.enabled": "true" if spark.ui_port else "false",
        "spark.ui.port": str(spark.ui_port or 4040),
        "spark.ui.showConsoleProgress": "false",
        # What the pages keep grows with every batch otherwise.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "100",
        "spark.sql.ui.retainedExecutions": "20",
        "spark.driver.memory": spark.driver_memory,
        "spark.executor.memory": spark.executor_memory,
        "spark.executor.cores": str(spark.executor_cores),
        "spark.cores.max": str(spark.cores),
        "spark.driver.extraJavaOptions": " ".join([jvm, *spark.driver_jvm_options]),
        "spark.executor.extraJavaOptions": " ".join([jvm, *spark.executor_jvm_options]),
        "spark.executorEnv.TZ": "UTC",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(config.shuffle_partitions),
        # Sketches are aggregated in a hash map; beyond so many cells in a task Spark would sort instead, at
        # half the speed.
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "1000000",
        "spark.sql.streaming.stateStore.providerClass": _STATE_STORES[config.state_store],
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        # To know the number of rows each write would read first, a fifth of the deduplication's time.
        "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
        "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage": "true",
        "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB": "256",
        "spark.sql.streaming.minBatchesToRetain": "10",
        # A batch without data would only evict what the next one with data evicts as well: half of all
        # batches.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        "spark.sql.streaming.metricsEnabled": "false",
    }
    if urlsplit(config.checkpoint_dir).scheme in ("", "file"):
        base |= _LOCAL_CHECKPOINT
    if spark.jars_dir:
        base["spark.jars"] = ",".join(_jars(spark.jars_dir))
    return base | spark.properties


def _jars(directory: str) -> list[str]:
    jars = sorted(str(path) for path in Path(directory).glob("*.jar"))
    if not any("spark-sql-kafka" in jar for jar in jars):
        raise BadInputError(
            f"spark.jars_dir = {directory} holds no spark-sql-kafka jar: give the connector's directory"
        )
    return jars
