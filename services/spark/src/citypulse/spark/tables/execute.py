"""Running many statements until all of them are done."""

import time
from collections.abc import Sequence
from typing import Any

from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


def execute_all(
    session: Session,
    todo: Sequence[tuple[Any, Any]],
    concurrency: int,
    seconds: float,
    pause: float = _FIRST_PAUSE,
) -> None:
    """Run idempotent statements side by side; what fails is tried again with a growing pause, and half as
    many at a time, for a server that fails may have too much to do.

    Args:
        todo: statements with their parameters.
        concurrency: requests under way at a time, at first.
        seconds: after so long the last failure is raised.
    """
    deadline = time.monotonic() + seconds
    left = list(todo)
    while left:
        results = execute_concurrent(session, left, concurrency=concurrency, raise_on_first_error=False)
        failed = [(one, result[1]) for one, result in zip(left, results, strict=True) if not result[0]]
        if failed and (time.monotonic() + pause > deadline or isinstance(failed[0][1], InvalidRequest)):
            raise failed[0][1]
        left = [one for one, _ in failed]
        if left:
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            concurrency = max(concurrency // 2, 1)
