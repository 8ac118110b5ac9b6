"""Faults of the journal's files and disk, and of the clock, under a producer that is killed or goes on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from citypulse.producer.journal import dropped, segment
from citypulse.producer.journal.reader import Reader
from tests.faults import disks
from tests.faults.registry import fault
from tests.faults.rig import Rig
from tests.faults.servers import BROKERS
from tests.producing import post_id

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def _newest(rig: Rig) -> Path:
    return segment.paths(rig.producer.journal)[-1][1]


@fault(
    "journal-tail-torn",
    injected="the producer is killed, and half a record stands at the journal's end",
    promised="the half is cut, and all before it is sent",
    always=True,
)
def journal_tail_torn(rig: Rig) -> None:
    rig.start()
    rig.flow(2)
    rig.producer.halt()
    whole = segment.encode(1 << 40, 0, b"{}" * 100)
    with _newest(rig).open("ab") as file:
        file.write(whole[: len(whole) // 2])
    rig.producer.start()
    rig.wait_for("the half to be cut", lambda: rig.producer.log("journal: a torn tail is cut"))
    rig.flow(2)


@fault(
    "journal-byte-flipped",
    injected="a byte in the middle of what waits for Kafka is flipped while the producer is down",
    promised="that one record is set aside with its place and named by the ledger; all others are sent",
)
def journal_byte_flipped(rig: Rig) -> None:
    rig.start()
    with rig.servers.frozen(*BROKERS):
        rig.flow(3)
        first = rig.producer.cursor()
        rig.producer.halt()
        path, position, identity = _record_behind(rig, first + 200)
        with path.open("r+b") as file:
            file.seek(position)
            byte = file.read(1)
            file.seek(position)
            file.write(bytes([byte[0] ^ 0x20]))
    rig.producer.start()
    rig.flow(2)
    rig.lost = {identity}


@fault(
    "cursor-truncated",
    injected="the cursor's file is cut to 10 bytes while the producer is down",
    promised="what is kept is sent again: copies, and nothing missing",
)
def cursor_truncated(rig: Rig) -> None:
    rig.start()
    rig.flow(2)
    rig.producer.halt()
    os.truncate(rig.producer.journal / "cursor", 10)
    rig.producer.start()
    rig.flow(2)


@fault(
    "cursor-lost",
    injected="the cursor's file is deleted while the producer is down",
    promised="what is kept is sent again: copies, and nothing missing",
)
def cursor_lost(rig: Rig) -> None:
    rig.start()
    rig.flow(2)
    rig.producer.halt()
    (rig.producer.journal / "cursor").unlink()
    rig.producer.start()
    rig.flow(2)


@fault(
    "journal-disk-full",
    injected="somebody else fills the journal's disk for 10 s",
    promised="the stream is not read meanwhile, and the producer goes on by itself when there is room",
    always=True,
    needs_root="the journal's small disk is a tmpfs, which has to be mounted",
)
def journal_disk_full(rig: Rig) -> None:
    with disks.small(rig.producer.journal, megabytes=48):
        rig.start()
        rig.flow(2)
        ballast = rig.producer.journal / "ballast"
        disks.fill(ballast)
        rig.wait_for("the full disk to be noticed", lambda: rig.producer.log("journal: full"))
        rig.flow(10)
        assert rig.producer.codes == []
        ballast.unlink()
        before = rig.producer.metric("accepted_total")
        rig.wait_for("tweets to be accepted again", lambda: rig.producer.metric("accepted_total") > before)
        rig.flow(2)
        rig.finish()
        rig.clean_up()


@fault(
    "clock-back-and-forward",
    injected="the producer's clock alone jumps two hours back, and then four hours forward",
    promised="nothing is set aside, and no gap is recorded that was none",
    needs_root="Debian's faketime has to be installed",
)
def clock_back_and_forward(rig: Rig) -> None:
    install_faketime()
    offset = rig.directory / "clock"
    offset.write_text("+0")
    rig.start(
        environment={
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )
    for jump in ("-2h", "+2h", "+0"):
        rig.flow(4)
        offset.write_text(jump)
    rig.flow(4)


def install_faketime() -> None:
    """Debian's faketime, where it is not there yet."""
    if not Path(FAKETIME).exists():
        subprocess.run(["apt-get", "install", "-qq", "-y", "faketime"], check=True, stdout=subprocess.DEVNULL)


def _record_behind(rig: Rig, sequence: int) -> tuple[Path, int, int]:
    """A record's segment, the position of a byte in its payload, and the id of its post."""
    reader = Reader(rig.producer.journal, sequence, lambda *_: None)
    (record,) = reader.read(None, 1, 1)
    reader.close()
    path = next(
        path for first, path in reversed(segment.paths(rig.producer.journal)) if first <= record.sequence
    )
    start = path.read_bytes().index(record.payload)
    return path, start + len(record.payload) // 2, post_id(record.payload)


@fault(
    "journal-full-drops-newest",
    injected="both brokers freeze until the journal, told to drop the newest, is full for seconds",
    promised="what is dropped is counted exactly, and lies in a gap; the stream and the journal go on",
)
def journal_full_drops_newest(rig: Rig) -> None:
    rig.start(
        replay={"play": {"hold": False}},
        # It counts as full at this size, whatever Kafka has of it: so nothing is kept beyond that.
        journal={"when_full": "drop_newest", "max_bytes": 1 << 20, "segment_bytes": 1 << 16, "keep_hours": 0},
    )
    rig.flow(2)
    with rig.servers.frozen(*BROKERS):
        rig.wait_for("a full journal", lambda: rig.producer.metric("dropped_total", cause="size") > 0)
        rig.flow(4)
    rig.wait_for("room again", lambda: rig.producer.metric("journal_full") == 0)
    rig.flow(3)
    lost = rig.producer.metric_sum("dropped_total")
    counted = sum(span.count for span in dropped.load(rig.producer.journal))
    assert counted == lost, f"{lost} were dropped, and {counted} are noted"
    assert {gap.cause for gap in rig.producer.gaps()} == {"dropped"}
