"""How far a recount is: what it does, and how much of that is done."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_LOOK_SECONDS = 0.5


def silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@contextmanager
def spark(session: SparkSession, progress: Progress, what: str) -> Iterator[None]:
    """Tell of the tasks of Spark that the block waits for."""
    context = session.sparkContext
    group = f"reprocess-{threading.get_ident()}"
    context.setJobGroup(group, "reprocess", interruptOnCancel=False)
    ended = threading.Event()

    def look() -> None:
        tracker = context.statusTracker()
        while not ended.wait(_LOOK_SECONDS):
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            stages = {stage: tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds}
            known = [stage for stage in stages.values() if stage]
            progress(what, sum(one.numCompletedTasks for one in known), sum(one.numTasks for one in known))

    watcher = threading.Thread(target=look, name="reprocess-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        context.setLocalProperty("spark.jobGroup.id", None)
