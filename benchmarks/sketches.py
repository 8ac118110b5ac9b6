"""How far merged sketches are off, and what merging them costs.

    PYTHONPATH=$(ls -d services/*/src | paste -sd:) .citypulse/dev/bin/python -m benchmarks.sketches \\
        [--seeds 200] [--cities 1130] [--users 3]

The cost: two days of so many cities, each with so many users in every window, as the ticker keeps them; what
memory that takes, and how long a look merges them into an hour and a day. The error: users spread over the
288 windows of a day, each in two of them, merged in steps as hours and the day are, with as many seeds as
asked for. Ends with 1 when an error is more than 5 %, or more than 1.7 % in the mean square.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence

import psutil
from datasketches import update_theta_sketch

from citypulse.spark.rolling import spans
from citypulse.spark.rolling.cells import Cell, unite
from citypulse.spark.rolling.hours import merge_windows
from citypulse.spark.rolling.kept import Kept
from citypulse.spark.rolling.windows import Pair

COUNTS = (100, 4_096, 5_000, 20_000, 100_000)
WINDOWS = 288
NOW = 1_790_000_100_000


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--cities", type=int, default=1_130)
    options.add_argument("--users", type=int, default=3, help="of a city in a window")
    given = options.parse_args()
    size_of_a_row()
    cost_of_a_look(given.cities, given.users)
    well = [error(count, given.seeds) for count in COUNTS]
    sys.exit(0 if all(well) else 1)


def error(count: int, seeds: int) -> bool:
    """Print how far a day of so many users is off; whether that is within the bounds."""
    errors = []
    for seed in range(seeds):
        made = random.Random(seed)
        windows = [update_theta_sketch(12) for _ in range(WINDOWS)]
        for _ in range(count):
            user = made.getrandbits(60)
            windows[made.randrange(WINDOWS)].update(user)
            windows[made.randrange(WINDOWS)].update(user)
        sketches = [window.compact().serialize(compress=True) for window in windows]
        hours = [unite(sketches[first : first + 12])[1] for first in range(0, WINDOWS, 12)]
        errors.append(unite(hours)[0] / count - 1)
    mean_square = (sum(one**2 for one in errors) / seeds) ** 0.5
    worst = max(map(abs, errors))
    print(
        f"{count:7,} users, {seeds} seeds: worst {worst:.2%}, root mean square {mean_square:.2%}", flush=True
    )
    if count <= 4_096:
        return worst == 0
    return worst <= 0.05 and mean_square <= 0.017


def size_of_a_row() -> None:
    """Print the bytes of a sketch by the number of its users."""
    sizes = {users: len(sketch(range(users))) for users in (1, 3, 10, 100, 1_000, 4_096)}
    print("bytes of a sketch: " + ", ".join(f"{users:,} users {size:,}" for users, size in sizes.items()))


def cost_of_a_look(cities: int, users: int) -> None:
    """Print what is kept for two days of cities that tweet in every window, and what a look merges."""
    need = spans.need(NOW)
    kept = Kept(Pair("all", "CA"), None, None, 0)  # type: ignore[arg-type]
    before = resident()
    pool = [sketch(range(first, first + users)) for first in range(0, 2_000 * users, users)]
    for hour in sorted(need.hours):
        windows = {start: window(cities, users, pool, start, need) for start in spans.windows_of(hour)}
        kept.hours[hour] = merge_windows(windows.values(), hour >= need.users_from)
    kept.windows = {start: window(cities, users, pool, start, need) for start in need.windows}
    print(f"{cities:,} cities with {users} users in every window: {kept.cells:,} cells kept,", end=" ")
    print(f"{(resident() - before) / 2**20:.0f} MB", flush=True)
    for span in spans.SPANS:
        windows_of_span = spans.ending(span, NOW)
        began = time.process_time()
        total = kept.total(windows_of_span)
        took = time.process_time() - began
        print(f"  {span}: {took * 1000:.0f} ms of processor time for {len(total):,} cities")


def window(cities: int, users: int, pool: Sequence[bytes], start: int, need: spans.Need) -> dict[str, Cell]:
    """A window's cities, each with other bytes, as they come from Cassandra."""
    made = random.Random(start)
    return {
        f"CA:{number:016x}": Cell(
            users, users, 0, 0, 0, users,
            bytes(bytearray(made.choice(pool))) if start >= need.users_from else b"",
            start,
        )
        for number in range(cities)
    }  # fmt: skip


def sketch(users: Sequence[int]) -> bytes:
    made = update_theta_sketch(12)
    for user in users:
        made.update(user)
    return bytes(made.compact().serialize(compress=True))


def resident() -> int:
    """Memory of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    main()
