"""X's filtered stream and its rules, through tweepy, at whatever address the configuration names.

tweepy's own read loop is replaced: it reads 512 bytes at a time, dies on a line that is not JSON, and
reconnects many times a second. What X sends is handed on as bytes; nothing here looks into it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
import tweepy
import urllib3

from citypulse.producer.config import X
from citypulse.producer.errors import RefusedError
from citypulse.producer.stream.rules import Existing, Rule

READ_BYTES = 256 << 10

FIELDS = {
    "tweet_fields": ["author_id", "created_at", "edit_history_tweet_ids", "geo", "referenced_tweets"],
    "expansions": ["geo.place_id"],
    "place_fields": ["country", "country_code", "full_name", "geo", "id", "name", "place_type"],
}
"""What is asked of X with each post: what an event needs and the retweets' places will, not more."""

_LAST_SECONDS = 1.0

_TWEEPY_HOST = "https://api.twitter.com"

REFUSALS = (400, 401, 402, 403, 404)
"""Status codes that trying again does not cure."""


class HttpError(Exception):
    """X answered with something other than a stream."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.status_code} {response.reason}: {_detail(response)}")
        self.status: int = response.status_code
        self.headers = response.headers


class BrokenError(Exception):
    """The connection could not be made, or broke."""


class StalledError(Exception):
    """Not a byte came for too long."""


class XClient(tweepy.StreamingClient):  # type: ignore[misc]
    """One token's rules and its one connection."""

    def __init__(self, x: X, token: str) -> None:
        super().__init__(token)
        self._x = x
        self.session = _Session(x, token)
        self._closing = threading.Event()
        self._closed_at = 0.0
        self._response: requests.Response | None = None

    def rules(self) -> list[Existing]:
        """Every rule that X has for the token, whoever made it.

        Raises:
            RefusedError: X does not let the token.
            HttpError, BrokenError: it may do better later.
        """
        answer = self._call(self.get_rules)
        return [Existing(str(rule.id), rule.tag or "", rule.value) for rule in answer.data or ()]

    def delete(self, rules: list[Existing]) -> None:
        """Delete rules from X. Raises as `rules` does."""
        self._call(self.delete_rules, [rule.id for rule in rules])

    def add(self, rules: list[Rule]) -> None:
        """Add rules to X.

        Raises:
            RefusedError: X does not take one of them.
            HttpError, BrokenError: it may do better later.
        """
        answer = self._call(
            self.add_rules, [tweepy.StreamRule(value=rule.value, tag=rule.tag) for rule in rules]
        )
        for error in answer.errors or ():
            what = error.get("details") or error.get("detail") or error.get("title")
            raise RefusedError(f"X refuses the rule {str(error.get('value', ''))[:80]!r}: {what}")

    def lines(self, on_connect: Callable[[], None]) -> Iterator[list[bytes]]:
        """Connect once, and give what X sends, line by line, until the connection ends.

        Args:
            on_connect: called when X has answered with a stream.

        Yields:
            The lines that came together, without line ends and as X sent them; keep-alives are empty lines.

        Raises:
            RefusedError: X does not let the token.
            HttpError, BrokenError, StalledError: why there is no stream, or no longer. A plain end is the
                server's orderly close, or `close`.
        """
        self.filter(**FIELDS)
        response = self._response
        assert response is not None  # noqa: S101 - `_connect` sets it or raises
        try:
            on_connect()
            rest = b""
            while chunk := self._read(response):
                *lines, rest = (rest + chunk if rest else chunk).split(b"\n")
                if lines:
                    yield [line[:-1] if line.endswith(b"\r") else line for line in lines]
            # What was cut by our own end is the beginning of a message, which X has not finished.
            if rest and not self._closing.is_set():
                yield [rest]
        finally:
            self._response = None
            response.close()

    def close(self) -> None:
        """End the connection, from another thread: its reader gets what is here already, then an end."""
        self._closed_at = time.monotonic()
        self._closing.set()
        response = self._response
        if response is not None:
            try:
                response.raw.shutdown()
            except (OSError, RuntimeError, ValueError):
                # It ended by itself meanwhile.
                return

    def _connect(self, method: str, endpoint: str, **kwargs: Any) -> None:
        """What tweepy's `filter` calls with the parameters it has made: one request, not a loop."""
        url = f"{_TWEEPY_HOST}/2/tweets/{endpoint}/stream"
        timeout = (self._x.connect_seconds, self._x.stall_seconds)
        try:
            response = self.session.request(method, url, stream=True, timeout=timeout, **kwargs)
        except requests.RequestException as error:
            raise BrokenError(_reason(error)) from error
        if response.status_code != requests.codes.ok:
            with response:
                _raise_for(response)
        self._response = response

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
            raise BrokenError(_reason(error)) from error
        return data

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except tweepy.HTTPException as error:
            _raise_for(error.response)
        except (requests.RequestException, ValueError) as error:
            raise BrokenError(_reason(error)) from error


class _Session(requests.Session):
    """Sends what tweepy means for its built-in host to the configured one."""

    def __init__(self, x: X, token: str) -> None:
        super().__init__()
        self._base_url = x.base_url.rstrip("/")
        self._timeout = (x.connect_seconds, x.stall_seconds)
        self._token = token
        # As `auth`, not as a header: a matching entry of ~/.netrc would replace the header.
        self.auth = self._authorize
        if not x.gzip:
            self.headers["Accept-Encoding"] = "identity"

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        kwargs.setdefault("timeout", self._timeout)
        return super().request(method, self._base_url + url.removeprefix(_TWEEPY_HOST), **kwargs)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _raise_for(response: requests.Response) -> None:
    if response.status_code in REFUSALS:
        remedy = {
            400: "this is a fault of the producer or of its feeds' rules",
            401: "check the bearer token",
            402: "the account has no credits left",
            403: "the token's project may not use the filtered stream",
            404: "check x.base_url",
        }[response.status_code]
        raise RefusedError(f"X refuses with {response.status_code} {_detail(response)}: {remedy}")
    raise HttpError(response)


def _detail(response: requests.Response) -> str:
    """What an answer says about itself, in one line."""
    try:
        body = response.json()
        text = body.get("detail") or body.get("title") or ""
        if not text:
            text = "; ".join(
                str(error.get("message") or error.get("detail")) for error in body.get("errors", ())
            )
    except (ValueError, AttributeError, requests.RequestException):
        text = ""
    return " ".join((text or response.reason or "").split())[:300]


def _reason(error: BaseException) -> str:
    """The innermost cause, without addresses of objects."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{type(error).__name__}: {error}"
