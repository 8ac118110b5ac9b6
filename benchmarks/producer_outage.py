"""An outage of Kafka: the producer's memory before and during it, and how long the backlog drains.

    .citypulse/dev/bin/python -m benchmarks.producer_outage [--minutes 10] [--rate 1000]

Starts real servers and replay, kills both brokers for so long while tweets come, starts them again, and
prints what came of it. The ledgers are held at the end.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.faults.rig import TOPICS, Rig, fresh
from tests.faults.servers import BROKERS
from tests.servers import servers


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1000)
    options = parser.parse_args()
    with servers() as system, tempfile.TemporaryDirectory() as place:
        rig = Rig(system, fresh(Path(place) / "outage"))
        rig.servers.make_topics(TOPICS[0], partitions=4)
        rig.servers.make_topics(*TOPICS[1:], partitions=1)
        try:
            _run(rig, options.minutes * 60, options.rate)
        finally:
            rig.servers.start(*BROKERS)
            rig.clean_up()


def _run(rig: Rig, seconds: float, rate: int) -> None:
    rig.start(
        replay={"play": {"rate": rate}, "generator": {"retweets": 0.0}}, journal={"segment_bytes": 16 << 20}
    )
    rig.flow(30)
    before = rig.producer.memory_mb()
    rig.servers.kill_for_good(*BROKERS)
    began = time.monotonic()
    during = []
    while time.monotonic() - began < seconds:
        rig.flow(10)
        during.append(rig.producer.memory_mb())
        print(
            f"{time.monotonic() - began:5.0f} s: {rig.producer.backlog():,} wait, {during[-1]:.0f} MB",
            flush=True,
        )
    rig.servers.start(*BROKERS)
    rig.servers.wait_until_serving()
    outage = time.monotonic() - began
    backlog = rig.producer.backlog()
    served = time.monotonic()
    # What comes meanwhile keeps about a second's worth on its way.
    rig.producer.wait_for("the backlog to drain", lambda: 0 <= rig.producer.backlog() < 2 * rate, 1200)
    drained = time.monotonic() - served
    after = rig.producer.memory_mb()
    report = rig.finish()
    print(
        f"outage {outage:.0f} s at {rate} tweets a second; {backlog:,} waited when both brokers served again"
    )
    print(
        f"memory: {before:.0f} MB before, {max(during):.0f} MB at most during it, {after:.0f} MB afterwards"
    )
    print(f"drained in {drained:.1f} s, {drained / outage:.3f} of the outage")
    print(f"ledgers: {report.accounts[-1].ids:,} ids, {report.accounts[-1].missing} missing")


if __name__ == "__main__":
    main()
