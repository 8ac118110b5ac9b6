"""X's endpoints: the filtered stream, its rules, recent search and counts, through tweepy.

They are asked at whatever address the configuration names. tweepy's own read loop is
replaced: it reads 512 bytes at a time, dies on a line that is not JSON, and reconnects many times a second.
What X sends is handed on as bytes; nothing here looks into it.
"""

import datetime
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

import requests
import tweepy
import urllib3

from citypulse.producer.config import X
from citypulse.producer.errors import RefusedError
from citypulse.producer.stream.rules import Existing, Rule
from citypulse.producer.stream.session import (
    TWEEPY_HOST,
    BrokenError,
    HttpError,
    Session,
    StalledError,
    raise_for,
    reason,
)
from citypulse.producer.stream.xclock import XClock

__all__ = ["FIELDS", "BrokenError", "HttpError", "StalledError", "XClient"]

READ_BYTES = 256 << 10
MAX_LINE_BYTES = 8 << 20
"""Of a line that has not ended: a message has a few kB, and what does not end would take all memory."""

FIELDS = {
    "tweet_fields": ["author_id", "created_at", "edit_history_tweet_ids", "geo", "referenced_tweets"],
    "expansions": ["geo.place_id"],
    "place_fields": [
        "contained_within",
        "country",
        "country_code",
        "full_name",
        "geo",
        "id",
        "name",
        "place_type",
    ],
}
"""What is asked of X with each post: what an event needs and the retweets' places will, not more."""

_SEARCH_FIELDS = {name.replace("_fields", ".fields"): ",".join(values) for name, values in FIELDS.items()}
_SEARCH_RESULTS = 100
"""Posts of a page of recent search: the most that X gives."""

_STREAM = "the filtered stream"
_LAST_SECONDS = 1.0


class XClient(tweepy.StreamingClient):  # type: ignore[misc]
    """One token's rules and its one connection. A thread that talks beside the stream has its own."""

    def __init__(self, x: X, token: str, clock: XClock | None = None) -> None:
        super().__init__(token)
        self._x = x
        self.clock = clock or XClock()
        """Learns X's time from every answer."""
        self.session = Session(x, token, self.clock)
        self._closing = threading.Event()
        self._interrupted = threading.Event()
        self._closed_at = 0.0
        self._what = ""
        self._response: requests.Response | None = None

    def rules(self) -> list[Existing]:
        """Every rule that X has for the token, whoever made it.

        Raises:
            RefusedError: X does not let the token.
            HttpError, BrokenError: it may do better later.
        """
        found: list[Existing] = self._call(self._rules, _STREAM)
        return found

    def _rules(self) -> list[Existing]:
        answer = self.get_rules()
        return [Existing(str(rule.id), rule.tag or "", rule.value) for rule in answer.data or ()]

    def delete(self, rules: list[Existing]) -> None:
        """Delete rules from X. Raises as `rules` does."""
        self._call(self.delete_rules, _STREAM, [rule.id for rule in rules])

    def add(self, rules: list[Rule], *, dry_run: bool = False) -> list[Existing]:
        """Add rules to X, or ask whether it would take them.

        Returns:
            Those that X has made.

        Raises:
            RefusedError: X does not take one of them.
            HttpError, BrokenError: it may do better later.
        """
        made = [tweepy.StreamRule(value=rule.value, tag=rule.tag) for rule in rules]
        answer = self._call(self.add_rules, _STREAM, made, **({"dry_run": True} if dry_run else {}))
        for error in answer.errors or ():
            what = error.get("details") or error.get("detail") or error.get("title")
            raise RefusedError(f"X refuses the rule {str(error.get('value', ''))[:80]!r}: {what}")
        return [Existing(str(rule.id), rule.tag or "", rule.value) for rule in answer.data or ()]

    def search(self, query: str, start: int, end: int, next_token: str) -> bytes:
        """A page of the posts of a time that match a query, newest first.

        Args:
            query: X's rule grammar.
            start: ms since the epoch, as X counts whole seconds: rounded down.
            end: ms since the epoch, exclusive, rounded up.
            next_token: of the page before; empty for the first.

        Returns:
            X's answer.

        Raises:
            RefusedError: X does not let the token, or does not take the query.
            HttpError, BrokenError: it may do better later.
        """
        parameters = _SEARCH_FIELDS | {
            "query": query,
            "start_time": _second(start),
            "end_time": _second(end + 999),
            "max_results": str(_SEARCH_RESULTS),
            **({"next_token": next_token} if next_token else {}),
        }
        answer = self._call(self.request, "recent search", "GET", "/2/tweets/search/recent", parameters)
        content: bytes = answer.content
        return content

    def count(self, query: str) -> bytes:
        """How many posts of the last 7 days match a query, by day. Returns and raises as `search` does."""
        parameters = {"query": query, "granularity": "day"}
        answer = self._call(self.request, "counts", "GET", "/2/tweets/counts/recent", parameters)
        content: bytes = answer.content
        return content

    def lines(self, on_connect: Callable[[], None], backfill_minutes: int = 0) -> Generator[list[bytes]]:
        """Connect once, and give what X sends, line by line, until the connection ends.

        Args:
            on_connect: called when X has answered with a stream.
            backfill_minutes: the last so many minutes are sent again, where the account has that; 0 to 5.

        Yields:
            The lines that came together, without line ends and as X sent them; keep-alives are empty lines.

        Raises:
            RefusedError: X does not let the token.
            HttpError, BrokenError, StalledError: why there is no stream, or no longer. A plain end is the
                server's orderly close, or `close`.
        """
        self.filter(**FIELDS, **({"backfill_minutes": backfill_minutes} if backfill_minutes else {}))
        response = self._response
        assert response is not None  # noqa: S101 - `_connect` sets it or raises
        try:
            on_connect()
            rest = b""
            while chunk := self._read(response):
                *lines, rest = (rest + chunk if rest else chunk).split(b"\n")
                if len(rest) > MAX_LINE_BYTES:
                    raise BrokenError(f"a line of more than {MAX_LINE_BYTES} bytes")
                if lines:
                    yield [line[:-1] if line.endswith(b"\r") else line for line in lines]
            # What was cut by our own end is the beginning of a message, which X has not finished.
            if rest and not self._closing.is_set():
                yield [rest]
        finally:
            self._response = None
            response.close()

    def close(self) -> None:
        """End the connection for good, from another thread.

        Its reader gets what is here already, then an end.
        """
        self._closed_at = time.monotonic()
        self._closing.set()
        self.interrupt()

    def interrupt(self) -> None:
        """End the connection that there is, or is being made, from another thread; it is made again."""
        self._interrupted.set()
        self._shut_down()

    def resume(self) -> None:
        """Let no `interrupt` before this end the connections after it."""
        self._interrupted.clear()

    def _shut_down(self) -> None:
        response = self._response
        if response is not None:
            try:
                response.raw.shutdown()
            except (OSError, RuntimeError, ValueError):
                # It ended by itself meanwhile.
                return

    def _connect(self, method: str, endpoint: str, **kwargs: Any) -> None:
        """What tweepy's `filter` calls with the parameters it has made: one request, not a loop."""
        url = f"{TWEEPY_HOST}/2/tweets/{endpoint}/stream"
        timeout = (self._x.connect_seconds, self._x.stall_seconds)
        try:
            response = self.session.request(method, url, stream=True, timeout=timeout, **kwargs)
        except requests.RequestException as error:
            raise BrokenError(reason(error)) from error
        if response.status_code != requests.codes.ok:
            asked = "backfill_minutes" in (kwargs.get("params") or {})
            with response:
                raise_for(
                    response,
                    _STREAM,
                    "if the account has no backfill, set x.backfill_minutes = 0" if asked else "",
                )
        self._response = response
        if self._closing.is_set() or self._interrupted.is_set():
            # That was asked for when there was nothing to end yet.
            self._shut_down()

    def request(
        self, method: str, route: str, params: Any = None, json: Any = None, user_auth: bool = False
    ) -> requests.Response:
        """What tweepy sends everything else through; its own would log the token, and trip over errors that
        are not as X sends them.
        """
        headers = {"User-Agent": self.user_agent}
        response = self.session.request(
            method, TWEEPY_HOST + route, params=params, json=json, headers=headers
        )
        if not response.ok:
            raise_for(response, self._what)
        return response

    def _read(self, response: requests.Response) -> bytes:
        # A busy stream goes on arriving although its end was asked for.
        if self._closing.is_set() and time.monotonic() - self._closed_at > _LAST_SECONDS:
            return b""
        try:
            data: bytes = response.raw.read1(READ_BYTES, decode_content=True)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise StalledError(f"not a byte for {self._x.stall_seconds:g} s") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._closing.is_set():
                return b""
            raise BrokenError(reason(error)) from error
        return data

    def _call(self, function: Callable[..., Any], what: str, *args: Any, **kwargs: Any) -> Any:
        self._what = what
        try:
            return function(*args, **kwargs)
        except (requests.RequestException, ValueError) as error:
            raise BrokenError(reason(error)) from error
        except (AttributeError, LookupError, TypeError) as error:
            raise BrokenError(f"an answer that is not as X sends it: {reason(error)}") from error


def _second(at: int) -> str:
    return datetime.datetime.fromtimestamp(at // 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
