"""Fills gaps through recent search, in the background, and beside the stream.

A gap is searched in slices, oldest first, each rule of its time over each slice. What is found, and is not
in the journal, is journaled like any other message; then the book says how far the gap is filled. A restart
goes on with that slice. What X refuses stays open with X's reason.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from citypulse.events.gap import Gap
from citypulse.producer import metrics
from citypulse.producer.config import X
from citypulse.producer.errors import RefusedError
from citypulse.producer.gaps.book import GapBook
from citypulse.producer.gaps.heard import handed_over
from citypulse.producer.gaps.journaled import post_ids
from citypulse.producer.journal.committer import Committer
from citypulse.producer.spend import Spend
from citypulse.producer.stream import search
from citypulse.producer.stream.backoff import Backoff
from citypulse.producer.stream.client import BrokenError, HttpError, XClient

log = structlog.get_logger()

REACH_MS = 7 * 24 * 3600 * 1000 - 60_000
"""How far back recent search reaches, less what a request takes."""
SLICE_MS = 5 * 60_000
"""What is searched at a time, and held in memory."""
LOOK_SECONDS = 2.0
_PUT_RECORDS = 200


class _StoppedError(Exception):
    """The producer stops, may spend no more for now, or has no room."""


class Filling:
    """The thread that searches."""

    def __init__(
        self,
        x: X,
        directory: Path,
        client: XClient,
        book: GapBook,
        committer: Committer,
        spend: Spend,
        stopping: threading.Event,
        sleep: Callable[[float], object],
    ) -> None:
        """Fill the gaps of a book.

        Args:
            x: how to search.
            directory: the journal's.
            client: not the stream's; its clock may be.
            book: of gaps.
            committer: takes what is found.
            spend: counts it, and says when to stop.
            stopping: ends it.
            sleep: waits for seconds, or until stopped.
        """
        self._x, self._directory, self._client = x, directory, client
        self._book, self._committer, self._spend = book, committer, spend
        self._stopping, self._sleep = stopping, sleep
        self._margin_ms = int(x.search_margin_seconds * 1000)

    def run(self) -> None:
        """Fill what can be filled until stopped."""
        while not self._stopping.is_set():
            with contextlib.suppress(_StoppedError):
                self.fill_all()
            self._sleep(LOOK_SECONDS)

    def fill_all(self) -> None:
        """Fill the gaps that can be filled now."""
        if self._committer.full or not self._client.clock.answered:
            # What is found could not be kept; or which gaps search reaches is only this host's opinion.
            return
        now = self._client.clock.earliest()
        # Backfill first: it costs nothing. What it reaches is left to it.
        reached = now - self._x.backfill_minutes * 60_000
        for gap in self._book.fillable(now - REACH_MS, now - int(self._x.search_delay_seconds * 1000)):
            if self._x.backfill_minutes and gap.start >= reached:
                continue
            try:
                self._fill(gap)
            except RefusedError as error:
                self._book.give_up(gap, f"recent search: {error}")

    def _fill(self, gap: Gap) -> None:
        wanted = self._book.wanted_in(gap)
        assert gap.end is not None  # noqa: S101 - it is fillable
        if wanted is None:
            self._book.give_up(gap, "nothing is known of the rules of its time")
            return
        log.info("gap: is searched", gap=gap.id, seconds=gap.remaining_ms(gap.end) / 1000)
        begin = max(gap.start, gap.filled_until)
        margin = self._margin_ms
        known = post_ids(self._directory, begin - margin, gap.end + margin, self._committer.durable)
        # X may deliver a post minutes after its creation, which is what search goes by.
        start = max(begin - margin, self._client.clock.latest() - REACH_MS)
        while start < gap.end:
            until = min(max(start, begin) + SLICE_MS, gap.end)
            self._journal(self._search(wanted.queries, start, until), known)
            self._book.progress(gap, until)
            start = until
        self._book.filled(gap, "search", self._client.clock.latest())

    def _search(
        self, queries: tuple[tuple[str, str], ...], start: int, end: int
    ) -> dict[int, tuple[search.Found, list[str]]]:
        """All posts of a slice, each with the tags of all rules that it matches."""
        found: dict[int, tuple[search.Found, list[str]]] = {}
        for tag, query in queries:
            token = ""
            while True:
                page = self._page(query, start, end, token)
                for post in page.posts:
                    tags = found.setdefault(post.id, (post, []))[1]
                    if tag not in tags:
                        tags.append(tag)
                token = page.next_token
                if not token:
                    break
        return found

    def _page(self, query: str, start: int, end: int, token: str) -> search.Page:
        backoff = Backoff(self._x)
        while True:
            if self._stopping.is_set() or self._spend.spent():
                raise _StoppedError
            try:
                page = search.page(self._client.search(query, start, end, token))
            except HttpError as error:
                now = self._client.clock.now() / 1000
                wait, cause = backoff.after(error.cause, error.headers, now), str(error)
            except BrokenError as error:
                wait, cause = backoff.after_network_error(), str(error)
            except msgspec.DecodeError as error:
                wait, cause = backoff.after_http_error(), f"an answer that cannot be read: {error}"
            else:
                self._spend.count(len(page.posts))
                metrics.searched.inc(len(page.posts))
                return page
            log.warning("gap: the search waits", cause=cause, again_in_seconds=round(wait, 2))
            self._sleep(wait)

    def _journal(self, found: dict[int, tuple[search.Found, list[str]]], known: set[int]) -> None:
        """Have what is new in the journal, on disk before this returns."""
        dropped = self._committer.dropped
        new = [search.message(*found[post]) for post in sorted(found.keys() - known)]
        for n in range(0, len(new), _PUT_RECORDS):
            now = self._client.clock.now()
            self._committer.put(now, new[n : n + _PUT_RECORDS], self._stopping.is_set)
        known.update(found)
        target = handed_over(self._committer)
        while self._committer.durable < target and self._committer.unjournaled:
            if self._stopping.is_set():
                raise _StoppedError
            self._sleep(0.05)
        if self._committer.dropped != dropped:
            # It may be what was found that was dropped: the slice is searched again.
            raise _StoppedError
