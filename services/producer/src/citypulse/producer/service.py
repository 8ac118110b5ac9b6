"""The running producer: a few threads, each watched; one that dies takes the process down with its reason.

stream     X → lines                    ends when asked, or when X refuses
filling    recent search → lines        ends when asked; only where x.search is set
retweets   journal → rules on X         ends when asked; only where retweets are enabled
changes    SIGHUP → feeds, rules, spend  ends with the process
committer  lines → journal              ends after the stream
sender     journal → Kafka              ends after the committer, drained or out of time
brokers    looks at the brokers         ends with the sender
http       /metrics, /healthz, /readyz  ends with the process
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import structlog

from citypulse import places
from citypulse.producer import health, message, metrics
from citypulse.producer import reload as reloading
from citypulse.producer.config import Config
from citypulse.producer.errors import RefusedError, ShortError, StopError
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.filling import Filling
from citypulse.producer.gaps.heard import Heard
from citypulse.producer.gaps.journaled import last_received
from citypulse.producer.journal import owner
from citypulse.producer.journal.committer import Committer
from citypulse.producer.journal.writer import Writer
from citypulse.producer.retweets.candidates import Candidates
from citypulse.producer.retweets.tail import Recalled
from citypulse.producer.retweets.watch import Watch
from citypulse.producer.routes import Routes
from citypulse.producer.send.sender import Sender
from citypulse.producer.spend import Spend
from citypulse.producer.stream import rules
from citypulse.producer.stream import token as tokens
from citypulse.producer.stream.client import XClient
from citypulse.producer.stream.streaming import Streaming
from citypulse.producer.stream.subscription import Subscription
from citypulse.producer.stream.xclock import XClock

log = structlog.get_logger()

_SHORT_OF = {12: "memory", 27: "disk (a file grew too large)", 28: "disk", 122: "disk (quota)"}
"""ENOMEM, EFBIG, ENOSPC, EDQUOT."""


class _Threads:
    """Threads whose end is noticed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[str, threading.Thread] = {}
        self.failure: tuple[str, BaseException] | None = None

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Run a function in a thread of its own."""

        def supervised() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the process must know
                with self._changed:
                    self.failure = self.failure or (name, error)
            with self._changed:
                del self._running[name]
                self._changed.notify_all()

        thread = threading.Thread(target=supervised, name=name, daemon=True)
        self._running[name] = thread
        thread.start()

    def alive(self) -> list[str]:
        """Names of the threads that run."""
        with self._changed:
            return list(self._running)

    def wait(self, done: Callable[[], bool], seconds: float = threading.TIMEOUT_MAX) -> None:
        """Return when it is done, when a thread has failed, or when the time is over."""
        until = time.monotonic() + seconds
        with self._changed:
            while not done() and not self.failure and (left := until - time.monotonic()) > 0:
                # In slices, so that the main thread hears signals.
                self._changed.wait(min(left, 0.2))

    def ended(self, name: str, seconds: float) -> bool:
        """Wait for one thread's end, whatever became of the others; whether it has ended in time."""
        until = time.monotonic() + seconds
        with self._changed:
            while name in self._running and (left := until - time.monotonic()) > 0:
                self._changed.wait(min(left, 0.2))
            return name not in self._running


def run(config: Config, token: str, read: Callable[[], Config] | None = None) -> None:
    """Stream until SIGTERM or SIGINT, then drain and return.

    Args:
        config: of the producer.
        token: for X.
        read: gives the configuration anew on SIGHUP; without it SIGHUP changes nothing.

    Raises:
        StopError: why it cannot go on.
    """
    with tokens.claim(token):
        _run(config, token, read or (lambda: config))


def _run(config: Config, token: str, read: Callable[[], Config]) -> None:
    # A handler may interrupt the main thread anywhere, so that it must take no lock that is held there.
    signals = deque[int]()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.append(number))
    directory = Path(config.journal.dir)
    wanted = rules.configured(config)
    writer = Writer(directory, config.journal.segment_bytes)
    journal = config.journal
    owner.claim(directory, config.name, config.run, writer.next_sequence)
    committer = Committer(
        writer,
        journal.group_records,
        journal.group_ms / 1000,
        journal.max_bytes,
        journal.when_full,
        journal.reserve_bytes,
        journal.set_aside_days * 86400,
        on_dropped=lambda start, end, _: book.dropped(start, end),
        heard=lambda: heard.value,
    )
    client = XClient(config.x, token)
    routes = Routes(directory)
    if not routes:
        routes.change(config, wanted, client.clock.now())
    heard = Heard(directory, committer)
    book = GapBook(directory, config.name, heard)
    resolver = places.Resolver(places.geonames(), latin_names=config.places.latin_names)
    candidates = Candidates(config.name)
    recalled = Recalled(config, candidates.sent) if config.retweets.enabled else None
    parse = message.parser(config, wanted, routes, resolver)
    sender = Sender(config, parse, committer, book, resolver, recalled=recalled)
    spend = Spend(directory, config.spend, committer, client.clock)
    subscription = Subscription(config, routes, book, client.interrupt)
    book.begin(client.clock.latest(), _journaled(config, committer), subscription.wanted)
    threads = _Threads()
    stopping, hung_up = threading.Event(), threading.Event()
    stream = Streaming(subscription, client, committer, heard, book, spend, stopping, stopping.wait)
    _watch(writer, committer, sender, book, client.clock)
    metrics.journal_limit.set(config.journal.max_bytes)
    status = health.Health(threads.alive, sender, committer)
    server = health.serve(config.http, status)
    changes = reloading.Changes(
        read, subscription, XClient(config.x, token, client.clock), spend, sender.watch, stopping, hung_up
    )
    threads.start("http", server.serve_forever)
    threads.start("brokers", sender.replicas.run)
    threads.start("sender", sender.run)
    threads.start("committer", committer.run)
    threads.start("stream", stream.run)
    if config.x.search:
        searching = XClient(config.x, token, client.clock)
        filling = Filling(config.x, directory, searching, book, committer, spend, stopping, stopping.wait)
        threads.start("filling", filling.run)
    if recalled:
        watching = XClient(config.x, token, client.clock)
        watch = Watch(config, watching, subscription, committer, candidates, recalled.done, stopping)
        begin = sender.acknowledged
        threads.start("retweets", lambda: watch.run(begin))
    threads.start("changes", changes.run)
    log.info("producer: started", name=config.name, run=config.run, journal=journal.dir, x=config.x.base_url)
    while not threads.failure:
        threads.wait(lambda: bool(signals))
        if not signals:
            continue
        if signals.popleft() != signal.SIGHUP:
            break
        hung_up.set()

    log.info("producer: stops", failed=bool(threads.failure))
    stopping.set()
    client.close()
    # Each waits for the one before it, a failure or not: what was read is to be journaled.
    threads.ended("stream", config.x.connect_seconds + 1)
    threads.ended("filling", config.x.connect_seconds)
    threads.ended("retweets", config.x.connect_seconds)
    committer.close()
    journaled = threads.ended("committer", config.stop_seconds)
    if committer.unjournaled:
        log.error("producer: messages were read and could not be journaled", messages=committer.unjournaled)
    _close(book, spend, client.clock, "failed" if threads.failure else "stopped")
    sender.stop(config.stop_seconds if not threads.failure or _may_drain(*threads.failure) else 1.0)
    threads.ended("sender", config.stop_seconds + 10)
    sender.replicas.stop()
    server.shutdown()
    book.close()
    if journaled:
        writer.close()
    if threads.failure:
        _raise(*threads.failure)
    log.info("producer: stopped", left_in_journal=committer.durable - sender.acknowledged)


def _journaled(config: Config, committer: Committer) -> int | None:
    """A time up to which the journal may be trusted to hold what was sent, should nothing else tell."""
    received = last_received(Path(config.journal.dir), committer.durable)
    return None if received is None else received - int(2000 * config.x.stall_seconds)


def _close(book: GapBook, spend: Spend, clock: XClock, cause: str) -> None:
    """Write down where the next start begins; a kill in this moment would be found out then all the same."""
    spend.write()
    try:
        book.lost(cause, clock.latest())
    except OSError as error:
        log.warning("gap: cannot be recorded before the next start", reason=str(error))


def _watch(writer: Writer, committer: Committer, sender: Sender, book: GapBook, clock: XClock) -> None:
    """Let the gauges look at what they measure when they are asked."""

    def journal_oldest_age() -> float:
        return max(time.time() - at / 1000, 0.0) if (at := sender.oldest_at) else 0.0

    def open_gap_seconds() -> float:
        now = clock.latest()
        return sum(gap.remaining_ms(now) for gap in book.gaps()) / 1000

    metrics.open_gaps.set_function(lambda: sum(gap.open for gap in book.gaps()))
    metrics.open_gap_seconds.set_function(open_gap_seconds)
    metrics.journal_bytes.set_function(lambda: writer.size)
    metrics.journal_waiting.set_function(lambda: committer.waiting_seconds)
    metrics.journal_backlog.set_function(lambda: max(committer.durable - sender.acknowledged, 0))
    metrics.journal_oldest_age.set_function(journal_oldest_age)
    metrics.in_flight_records.set_function(lambda: len(sender.in_flight))
    metrics.in_flight_bytes.set_function(lambda: sender.in_flight.bytes)
    metrics.brokers_configured.set_function(lambda: sender.replicas.view.configured)
    metrics.replicated_lag.set_function(lambda: max(sender.acknowledged - sender.safe, 0))
    metrics.unacknowledged_age.set_function(sender.in_flight.oldest_seconds)


def _may_drain(_thread: str, error: BaseException) -> bool:
    """Whether Kafka is still to have what it can take: whom X refuses is not started again by itself."""
    return isinstance(error, RefusedError)


def _raise(thread: str, error: BaseException) -> None:
    if isinstance(error, StopError):
        raise error
    if isinstance(error, OSError) and error.errno in _SHORT_OF:
        raise ShortError(
            f"{thread}: {_SHORT_OF[error.errno]} is short ({error}): free some;"
            " what was accepted is safe in the journal"
        ) from error
    if isinstance(error, MemoryError):
        raise ShortError(f"{thread}: memory is short: give it more; what was accepted is safe") from error
    raise StopError(f"{thread} died: {type(error).__name__}: {error}") from error
