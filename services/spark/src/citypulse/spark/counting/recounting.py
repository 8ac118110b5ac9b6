"""The list of windows to be recounted is emptied by a thread of the job, in the job's own Spark session.

A second application may find no free cores. A window is tried once it is closed, and again only when
something more is noted of it: what stays after a recount is not in the topic, and waits for a journal.
"""

import threading
import time
from collections import Counter

import structlog
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable, Session
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from citypulse.spark.config import Config
from citypulse.spark.counting.leftover import WINDOW_MS
from citypulse.spark.errors import StopError
from citypulse.spark.metrics import Metrics
from citypulse.spark.reprocess import due, live
from citypulse.spark.reprocess.due import Due

_log = structlog.get_logger()

_PAUSE_SECONDS = 30.0
_SHARE = 4
"""A pause is at least so many times as long as the recount before it."""


def start(
    config: Config, spark: SparkSession, session: Session, metrics: Metrics, told: threading.Event
) -> threading.Thread:
    """Start the thread; it is dead when something is wrong that time does not mend."""
    thread = threading.Thread(
        target=_run, args=(config, spark, session, metrics, told), name="recounts", daemon=True
    )
    thread.start()
    return thread


def _run(
    config: Config, spark: SparkSession, session: Session, metrics: Metrics, told: threading.Event
) -> None:
    tried: set[Due] = set()
    pause = _PAUSE_SECONDS
    while not told.wait(pause):
        began = time.monotonic()
        try:
            tried = _look(config, spark, session, metrics, tried)
        except (StopError, DriverException, NoHostAvailable, PySparkException, OSError) as error:
            if not told.is_set():
                _log.warning("a recount failed and is tried again", reason=str(error)[:300])
        pause = max(_PAUSE_SECONDS, (time.monotonic() - began) * _SHARE)


def _look(
    config: Config, spark: SparkSession, session: Session, metrics: Metrics, tried: set[Due]
) -> set[Due]:
    """Recount what can be, if anything can; gives what was tried."""
    closed = live.closed_until(spark, config) or 0
    ready = {one for one in due.read(session, config) if one.window_start + WINDOW_MS <= closed}
    if not ready <= tried:
        outcome = due.work(config, spark, session)
        told = outcome.told.values() if outcome else ()
        changed = sum(one.changed + one.added + one.removed for one in told)
        _log.info("windows were recounted", windows=len(ready - tried), cells_changed=changed)
    left = due.read(session, config)
    reasons = Counter(one.reason for one in left)
    for reason in due.REASONS:
        metrics.due.labels(reason).set(reasons[reason])
    return ready & set(left)
