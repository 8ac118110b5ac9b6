"""Keeps the stream from X alive: one connection after another, each gap between them recorded."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import structlog

from citypulse.producer import metrics
from citypulse.producer.errors import RefusedError
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.journal.committer import Committer
from citypulse.producer.spend import Spend
from citypulse.producer.stream.backoff import Backoff
from citypulse.producer.stream.client import BrokenError, HttpError, StalledError, XClient
from citypulse.producer.stream.control import EndedError
from citypulse.producer.stream.reception import Reception, backfill_minutes
from citypulse.producer.stream.subscription import Subscription

log = structlog.get_logger()

SPENT_SECONDS = 5.0
"""How often it is looked whether a new day or month, or a raised limit, lets reading go on."""


class _SpentError(Exception):
    """What may be read is read."""


@dataclass
class Streaming:
    """What a stream needs; `run` is its thread."""

    subscription: Subscription
    client: XClient
    committer: Committer
    heard: Heard
    book: GapBook
    spend: Spend
    stopping: threading.Event
    sleep: Callable[[float], object]
    """Waits for seconds, or until stopped: `stopping.wait`."""

    def run(self) -> None:
        """Stream until stopped.

        Raises:
            RefusedError: X refuses for good.
        """
        self._backoff = Backoff(self.subscription.config.x)
        while not self.stopping.is_set():
            if self.spend.spent():
                self._wait_for_money()
                continue
            metrics.stream_state.state("connecting")
            end = self._connection()
            if self.stopping.is_set() or end is None:
                continue
            cause, detail, headers = end
            self._lost(cause)
            seconds = self._backoff.after(cause, headers, self.client.clock.now() / 1000)
            metrics.reconnects.labels(cause).inc()
            metrics.stream_state.state("waiting")
            log.warning("stream: down", cause=cause, detail=detail, again_in_seconds=round(seconds, 2))
            self.sleep(seconds)
        metrics.stream_state.state("stopped")
        log.info("stream: closed")

    def _connection(self) -> tuple[str, str, Mapping[str, str]] | None:
        """One connection, from the rules to its end: cause, detail, headers; None where money is short."""
        reception: Reception | None = None
        cause, headers = "closed", dict[str, str]()
        try:
            self.client.resume()
            if self.subscription.stale:
                self.subscription.bring(self.client)
            reception = self._reception()
            self._read(reception)
            detail = "X closed the stream"
        except _SpentError:
            return None
        except EndedError as error:
            cause, detail = error.cause, str(error)
            self.subscription.stale |= error.reconcile
        except BrokenError as error:
            cause, detail = "network", str(error)
        except StalledError as error:
            cause, detail = "stalled", str(error)
        except HttpError as error:
            cause, detail, headers = error.cause, str(error), dict(error.headers)
            # 409: there are no rules. Somebody deleted them.
            self.subscription.stale |= error.status == 409
        except RefusedError:
            self._lost("refused")
            raise
        except OSError as error:
            cause, detail = "disk", f"a gap cannot be recorded: {error}"
        if reception and reception.blocked and cause in ("closed", "network", "slow_reader"):
            cause = "journal_full"
        return cause, detail, headers

    def _reception(self) -> Reception:
        x, clock = self.subscription.config.x, self.client.clock
        minutes = backfill_minutes(self.book, x.backfill_minutes, clock.latest())
        return Reception(x, self.committer, self.heard, self.book, clock, self.stopping, minutes)

    def _read(self, reception: Reception) -> None:
        clock = self.client.clock
        asked = clock.monotonic()
        began: float | None = None

        def on_connect() -> None:
            nonlocal began
            earliest, latest = clock.earliest(asked), clock.latest()
            self.book.connected(earliest, latest, self.subscription.wanted)
            reception.connected(earliest, latest)
            began = time.monotonic()
            metrics.stream_state.state("connected")
            log.info("stream: connected", backfill_minutes=reception.backfill_minutes)

        try:
            with closing(self.client.lines(on_connect, reception.backfill_minutes)) as groups:
                for lines in groups:
                    if posts := reception.take(lines):
                        self.spend.count(posts)
                        if self.spend.spent():
                            raise _SpentError
        finally:
            if began is not None:
                self._backoff.lasted(time.monotonic() - began)

    def _lost(self, cause: str) -> None:
        try:
            self.book.lost(cause, self.client.clock.latest())
        except OSError as error:
            # It is recorded with the next connection, which cannot begin before.
            log.warning("gap: cannot be recorded yet", cause=cause, reason=str(error))

    def _wait_for_money(self) -> None:
        self._lost("spend")
        metrics.stream_state.state("spent")
        log.error("stream: stops reading", reason=self.spend.spent())
        while not self.stopping.is_set() and self.spend.spent():
            self.sleep(SPENT_SECONDS)
