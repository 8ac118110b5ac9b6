r"""JSON, Avro and Protobuf for the event: bytes, time to write, events per processor second through the job.

    python -m benchmarks.spark.encoding --kafka 127.0.0.1:9092 --master spark://127.0.0.1:7077 --jars DIR \
        --protoc FILE [--events 600000]

DIR holds Spark's Kafka connector, spark-avro and protobuf-java; FILE is Protobuf's compiler of the same
version. Needs fastavro, protobuf and psutil beside the job's own packages, a JDK, and a broker and a Spark
cluster on this machine that do nothing else.

Each encoding's events stand in a topic of their own. The job's query reads them with its own observation,
deduplication, windows and sketches; only the parse differs, and cells are counted instead of written. Driver
and executor are fresh for each; the first third of the events warms the JVM and is not counted.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import fastavro
import psutil
from benchmarks.spark.made_events import events
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import UnknownTopicOrPartitionError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.events.event import Event, encode
from citypulse.spark import session
from citypulse.spark.config import Config, Kafka, Spark
from citypulse.spark.counting import query

HERE = Path(__file__).parent
SAMPLE = 100_000
WARM = 3
"""One part in so many is not counted."""
BATCHES = 6

Encode = Callable[[Event], bytes]


def avro() -> Encode:
    schema = fastavro.schema.load_schema(HERE / "event.avsc")

    def write(event: Event) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, as_dict(event))
        return out.getvalue()

    return write


def protobuf(build: Path) -> Encode:
    sys.path.insert(0, str(build))
    module: Any = import_module("event_pb2")

    def write(event: Event) -> bytes:
        return bytes(module.Event(**as_dict(event)).SerializeToString())

    return write


def as_dict(event: Event) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    values["refs"] = [{"type": ref.type, "id": ref.id} for ref in event.refs]
    return values


def compile_protobuf(build: Path, jars: Path, protoc: Path) -> None:
    """The message's classes for Python and Java, and the function for Spark, into `build`."""
    command = [protoc, f"-I{HERE}", f"--python_out={build}", f"--java_out={build}", "event.proto"]
    subprocess.run(command, check=True)
    pyspark = Path(str(import_module("pyspark").__file__)).parent / "jars"
    sources = [HERE / "ParseEvent.java", *build.rglob("*.java")]
    classes = build / "classes"
    path = f"{pyspark}/*:{jars}/*"
    subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", path, *map(str, sources)], check=True)
    subprocess.run(["jar", "cf", build / "parse-event.jar", "-C", classes, "."], check=True)


def parse(name: str, values: DataFrame) -> DataFrame:
    if name == "json":
        return query.parse(values)
    if name == "avro":
        from pyspark.sql.avro.functions import from_avro

        event = from_avro("value", (HERE / "event.avsc").read_text(), {"mode": "PERMISSIVE"})
    else:
        event = F.call_function("parse_event", "value")
    # As the job does for JSON, so that a record is parsed once.
    parsed = values.select(
        F.unix_millis("timestamp").alias("appended"), F.explode(F.array(event)).alias("event")
    )
    return query.judge(parsed.select("appended", "event.*"))


def through_spark(name: str, count: int, options: argparse.Namespace, build: Path) -> float:
    """Events per processor second of the executor."""
    jars = build / "jars"
    config = Config(
        run="encoding",
        topics=(name,),
        checkpoint_dir=str(build / name),
        max_offsets_per_trigger=count // BATCHES,
        kafka=Kafka(bootstrap_servers=tuple(options.kafka.split(","))),
        spark=Spark(
            master=options.master,
            jars_dir=str(jars),
            ui_port=0,
            driver_port=0,
            driver_block_manager_port=0,
            block_manager_port=0,
        ),
    )
    spark = session.start(config)
    if name == "protobuf":
        row = "post LONG, at LONG, author LONG, refs ARRAY<STRUCT<type: STRING>>, country STRING, city STRING"
        kind = spark.createDataFrame([], f"{row}, feeds ARRAY<STRING>, received LONG").schema
        spark.udf.registerJavaFunction("parse_event", "citypulse.benchmark.ParseEvent", kind)
    done: list[tuple[int, float]] = []
    cells = query.count(query.observe(parse(name, query.records(spark, config))), "600 seconds")
    port = spark.sparkContext.getConf().get("spark.driver.port")

    def count_cells(rows: DataFrame, batch: int) -> None:
        rows.rdd.mapPartitions(lambda some: [sum(1 for _ in some)]).collect()
        done.append((batch, executor_seconds(port)))

    running = (
        cells.writeStream.outputMode("update")
        .option("checkpointLocation", f"{build}/{name}")
        .foreachBatch(count_cells)
        .start()
    )
    rows: dict[int, int] = {}
    while sum(rows.values()) < count:
        time.sleep(0.5)
        if not running.isActive:
            raise SystemExit(f"{name}: {running.exception()}")
        rows |= {one.batchId: one.numInputRows for one in running.recentProgress}
    running.stop()
    spark.stop()
    used = dict(done)
    first, last = BATCHES // WARM - 1, max(batch for batch, number in rows.items() if number)
    return sum(number for batch, number in rows.items() if batch > first) / (used[last] - used[first])


def executor_seconds(port: str) -> float:
    total = 0.0
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        line = " ".join(process.info["cmdline"] or ())
        if "CoarseGrainedExecutorBackend" in line and f"@127.0.0.1:{port} " in line:
            total += process.info["cpu_times"].user + process.info["cpu_times"].system
    return total


def fill(topic: str, write: Encode, count: int, kafka: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka.split(","))
    try:
        admin.delete_topics([topic])
        time.sleep(3)
    except UnknownTopicOrPartitionError:
        pass
    admin.create_topics([NewTopic(topic, 4, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka.split(","), acks=1, linger_ms=20, batch_size=262_144)
    for event in events(count):
        producer.send(topic, key=b"%d" % event.post, value=write(event))
    producer.flush()
    producer.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--kafka", required=True)
    options.add_argument("--master", required=True)
    options.add_argument("--jars", required=True, type=Path)
    options.add_argument("--protoc", required=True, type=Path)
    options.add_argument("--events", type=int, default=600_000)
    options.add_argument("--only", choices=["json", "avro", "protobuf"], help=argparse.SUPPRESS)
    options.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.only:
        print(through_spark(given.only, given.events, given, given.build))
        return
    with tempfile.TemporaryDirectory(prefix="encoding-") as directory:
        build = Path(directory)
        compile_protobuf(build, given.jars, given.protoc.resolve())
        (build / "jars").mkdir()
        for jar in [*given.jars.glob("*.jar"), build / "parse-event.jar"]:
            (build / "jars" / jar.name).symlink_to(jar.resolve())
        sample = list(events(SAMPLE))
        print("| encoding | bytes | bytes, gzip | written per CPU s | through Spark per CPU s |")
        print("|---|---|---|---|---|")
        for name, write in {"json": encode, "avro": avro(), "protobuf": protobuf(build)}.items():
            began = time.process_time()
            written = [write(event) for event in sample]
            seconds = time.process_time() - began
            packed = sum(
                len(zlib.compress(b"".join(written[at : at + 500]), 6)) for at in range(0, SAMPLE, 500)
            )
            fill(f"encoding.{name}", write, given.events, given.kafka)
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--build", str(build)]
            ran = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=os.environ)
            rate = float(ran.stdout.split()[-1])
            print(
                f"| {name} | {sum(map(len, written)) / SAMPLE:.0f} | {packed / SAMPLE:.0f}"
                f" | {SAMPLE / seconds:,.0f} | {rate:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
