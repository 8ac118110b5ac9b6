"""Durable records a second of the journal, against the bare disk and against SQLite, in one run.

Records are like a post of about 1 kB, committed in groups of 100. Every case has the same records and the
same groups, and a group counts once it is on disk:

    journal    Writer.append: encode, CRC32C, write, fdatasync; segments of 16 MB
    raw        write + fdatasync of the very bytes that the journal writes, made before
    sqlite …   WAL, synchronous=FULL, a transaction with executemany for each group; as it comes, with larger
               pages, without checkpoints during the run, with a whole group as one row; and with a
               transaction for each record, as without group commit

Repetitions are interleaved, so that what else the machine does meets all cases alike. Medians are shown, and
the share of the time that was processor time.

    python benchmarks/journal.py --directory DIR   (on the disk to measure; not a tmpfs)
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from citypulse.producer.journal import segment
from citypulse.producer.journal.writer import Writer

GROUP = 100
AT = 1_700_000_000_000
SEGMENT_BYTES = 16 << 20

Group = list[tuple[int, bytes]]
Case = Callable[[Path, list[Group]], "Took"]
"""Writes groups to a directory."""


class Took(NamedTuple):
    records: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        return self.records / self.seconds


class Clock:
    def __init__(self) -> None:
        self.began = time.perf_counter(), time.process_time()

    def took(self, work: list[Group]) -> Took:
        records = sum(map(len, work))
        return Took(records, time.perf_counter() - self.began[0], time.process_time() - self.began[1])


def groups(count: int) -> list[Group]:
    payloads = [
        b'{"data":{"id":"%019d","text":"%s"}}' % (n, os.urandom(480).hex().encode()) for n in range(1000)
    ]
    return [
        [(AT + number, payloads[(number * GROUP + n) % 1000]) for n in range(GROUP)]
        for number in range(count)
    ]


def journal(directory: Path, work: list[Group]) -> Took:
    writer = Writer(directory, SEGMENT_BYTES)
    clock = Clock()
    for group in work:
        writer.append(group)
    took = clock.took(work)
    writer.close()
    return took


def raw(directory: Path, work: list[Group]) -> Took:
    encoded = [segment.encode_all(1 + GROUP * number, group) for number, group in enumerate(work)]
    descriptor = os.open(directory / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    clock = Clock()
    for data in encoded:
        os.write(descriptor, data)
        os.fdatasync(descriptor)
    took = clock.took(work)
    os.close(descriptor)
    return took


def sqlite(*pragmas: str, whole: bool = False) -> Case:
    def case(directory: Path, work: list[Group]) -> Took:
        connection = sqlite3.connect(directory / "journal.db", isolation_level=None)
        for pragma in (*pragmas, "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE records (sequence INTEGER PRIMARY KEY, at INTEGER, payload BLOB)")
        insert = "INSERT INTO records (at, payload) VALUES (?, ?)"
        clock = Clock()
        for group in work:
            connection.execute("BEGIN")
            if whole:
                connection.execute(insert, (group[0][0], b"\n".join([payload for _, payload in group])))
            else:
                connection.executemany(insert, group)
            connection.execute("COMMIT")
        took = clock.took(work)
        connection.close()
        return took

    return case


def one_by_one(directory: Path, work: list[Group]) -> Took:
    return sqlite()(directory, [[record] for group in work[:10] for record in group])


CASES: dict[str, Case] = {
    "journal": journal,
    "raw": raw,
    "sqlite": sqlite(),
    "sqlite, 64 kB pages": sqlite("page_size=65536"),
    "sqlite, no checkpoints": sqlite("wal_autocheckpoint=0"),
    "sqlite, a group a row": sqlite(whole=True),
    "sqlite, no groups": one_by_one,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="on the disk to measure")
    parser.add_argument("--groups", type=int, default=300, help="of 100 records, in each repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    work = groups(options.groups)
    taken: dict[str, list[Took]] = {name: [] for name in CASES}
    for _ in range(options.repetitions):
        for name, case in CASES.items():
            directory = Path(tempfile.mkdtemp(dir=options.directory))
            taken[name].append(case(directory, work))
            shutil.rmtree(directory)
    records = options.groups * GROUP
    size = sum(len(payload) for group in work for _, payload in group) / records
    print(f"{records} records of {size:.0f} bytes, groups of {GROUP}, {options.repetitions} repetitions")
    print(f"load {', '.join(f'{load:.1f}' for load in os.getloadavg())} on {os.cpu_count()} cores\n")
    print("| case | records a second | slowest to fastest | processor | journal is |")
    print("|---|---|---|---|---|")
    reference = statistics.median(took.rate for took in taken["journal"])
    for name, all_took in taken.items():
        rates = [took.rate for took in all_took]
        processor = statistics.median(took.processor / took.seconds for took in all_took)
        print(
            f"| {name} | {statistics.median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f}"
            f" | {processor:.0%} | {reference / statistics.median(rates):.2f} x |"
        )


if __name__ == "__main__":
    main()
