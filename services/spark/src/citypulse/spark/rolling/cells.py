"""Counts of one place and one span of time, and their union.

Numbers of posts add up, users do not: who tweets in two windows is one user of the hour. Their sketches do
unite, exactly up to 4,096 users and beyond with a relative standard error of 1 / sqrt(4096) = 1.6 %
(https://datasketches.apache.org/docs/Theta/ThetaErrorTable.html).
"""

from collections.abc import Sequence

import msgspec
from datasketches import compact_theta_sketch, theta_union

LG_K = 12
"""As the windows' sketches have it: 2^12 users are kept exactly."""


class Cell(msgspec.Struct, gc=False):
    """What was counted; None for what nobody counted."""

    tweets: int
    originals: int
    replies: int
    quotes: int
    retweets: int | None
    active_users: int
    sketch: bytes
    """A serialised compact theta sketch of the users; empty where it was not read."""
    updated_at: int
    """When the newest of the counts was written, ms since the epoch."""


NOTHING = Cell(0, 0, 0, 0, 0, 0, b"", 0)
"""Of a place where nobody tweeted."""


def merge(cells: Sequence[Cell], keep_sketch: bool = True) -> Cell:
    """The union of at least one cell.

    Args:
        cells: of one place, whose times do not overlap.
        keep_sketch: without, the result has the number of users but no sketch to be merged on.
    """
    if len(cells) == 1:
        return cells[0]
    users, sketch = unite([cell.sketch for cell in cells], keep_sketch)
    return Cell(
        sum(cell.tweets for cell in cells),
        sum(cell.originals for cell in cells),
        sum(cell.replies for cell in cells),
        sum(cell.quotes for cell in cells),
        total([cell.retweets for cell in cells]),
        users,
        sketch,
        max(cell.updated_at for cell in cells),
    )


def unite(sketches: Sequence[bytes], keep_sketch: bool = True) -> tuple[int, bytes]:
    """How many distinct users serialised sketches have together, and the sketch of them."""
    union = theta_union(LG_K)
    for sketch in sketches:
        if sketch:
            union.update(compact_theta_sketch.deserialize(sketch))
    result = union.get_result()
    return round(result.get_estimate()), result.serialize(compress=True) if keep_sketch else b""


def total(values: Sequence[int | None]) -> int | None:
    """Their sum; None when none of them is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
