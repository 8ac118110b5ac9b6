"""Requests to X at the configured address, and what its answers mean when they are not what was asked for."""

import time
from typing import Any

import msgspec
import requests
import urllib3

from citypulse.producer.config import X
from citypulse.producer.errors import RefusedError
from citypulse.producer.stream.xclock import XClock

TWEEPY_HOST = "https://api.twitter.com"
"""What tweepy has built in."""

REFUSALS = (400, 401, 402, 403, 404)
"""Status codes that trying again does not cure."""

MAX_ANSWER_BYTES = 16 << 20
"""Of an answer that is no stream: a page of posts, a thousand rules, are a few MB at most."""
_READ_BYTES = 64 << 10

TOO_MANY_CONNECTIONS = "too_many_connections"
USAGE_CAPPED = "usage_capped"


class Problem(msgspec.Struct):
    """What X says of an error: a problem in the sense of RFC 9457, with X's own fields."""

    title: str = ""
    detail: str = ""
    type: str = ""
    connection_issue: str = ""
    """TooManyConnections, ProvisioningSubscription, RuleConfigurationIssue or RulesInvalidIssue."""
    disconnect_type: str = ""
    """OperationalDisconnect, UpstreamOperationalDisconnect, SlowReader, InvalidRules and others."""
    period: str = ""
    """Daily or Monthly, of a usage cap."""

    @property
    def kind(self) -> str:
        """The last part of its type, as X documents them, else its title; short enough for a label."""
        name = self.type.rstrip("/").rpartition("/")[2]
        return (name if name and name != "about:blank" else self.title or "untitled")[:60]

    @property
    def too_many_connections(self) -> bool:
        """Whether X counts a connection that is there already, or that it has not noticed the end of."""
        return self.connection_issue == "TooManyConnections"

    @property
    def usage_capped(self) -> bool:
        """Whether the account has had all the posts of its period."""
        return self.kind == "usage-capped" or self.title == "UsageCapExceeded"


class HttpError(Exception):
    """X answered with something other than what was asked for."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.status_code} {response.reason}: {_detail(response)}")
        self.status: int = response.status_code
        self.headers = response.headers
        self.problem = _problem(response)

    @property
    def cause(self) -> str:
        """What it is, as a metric's label."""
        if self.status == requests.codes.too_many_requests:
            if self.problem.too_many_connections:
                return TOO_MANY_CONNECTIONS
            if self.problem.usage_capped:
                return USAGE_CAPPED
        return f"http_{self.status}"


class RefusedAnswerError(RefusedError):
    """X refuses a request for good."""

    def __init__(self, response: requests.Response, cure: str) -> None:
        super().__init__(f"X refuses with {response.status_code} {_detail(response).rstrip('.')}: {cure}")
        self.status: int = response.status_code


class BrokenError(Exception):
    """The connection could not be made, or broke."""


class StalledError(Exception):
    """Not a byte came for too long."""


class Session(requests.Session):
    """Sends what tweepy means for its built-in host to the configured one."""

    def __init__(self, x: X, token: str, clock: XClock) -> None:
        super().__init__()
        self._clock = clock
        self._base_url = x.base_url.rstrip("/")
        self._timeout = (x.connect_seconds, x.stall_seconds)
        self._token = token
        # As `auth`, not as a header: a matching entry of ~/.netrc would replace the header.
        self.auth = self._authorize
        if not x.gzip:
            self.headers["Accept-Encoding"] = "identity"

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Ask, and learn the time that the answer says.

        Only a stream that X gives is left to be read by the caller.

        Raises:
            requests.RequestException: there is no answer, or not all of it came in time.
        """
        kwargs.setdefault("timeout", self._timeout)
        stream = kwargs.pop("stream", False)
        asked = self._clock.monotonic()
        response = super().request(
            method, self._base_url + url.removeprefix(TWEEPY_HOST), stream=True, **kwargs
        )
        self._clock.learn(response.headers.get("Date"), asked, self._clock.monotonic())
        if not stream or not response.ok:
            with response:
                _read_all(response, sum(self._timeout))
        return response

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _read_all(response: requests.Response, seconds: float) -> None:
    """Have an answer's content, in no more time than this: a timeout of requests is one of a single read."""
    until = time.monotonic() + seconds
    content = bytearray()
    try:
        while chunk := response.raw.read1(_READ_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise requests.ConnectionError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > until:
                raise requests.ReadTimeout(f"not all of an answer within {seconds:g} s")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.ConnectionError(str(error)) from error
    response._content = bytes(content)


def raise_for(response: requests.Response, what: str, remedy: str = "") -> None:
    """Raise what an answer means that is not what was asked for.

    Args:
        response: with another status than was hoped for.
        what: was asked for.
        remedy: what else may help where X refuses the parameters.

    Raises:
        RefusedAnswerError: trying again does not cure it.
        HttpError: it may.
    """
    if response.status_code in REFUSALS:
        cure = {
            400: remedy or "this is a fault of the producer or of its feeds' rules",
            401: "check the bearer token",
            402: "the account has no credits left",
            403: remedy or f"the token's project may not use {what}",
            404: "check x.base_url",
        }[response.status_code]
        raise RefusedAnswerError(response, cure)
    raise HttpError(response)


def _problem(response: requests.Response) -> Problem:
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem()


def _detail(response: requests.Response) -> str:
    """What an answer says about itself, in one line."""
    try:
        body = response.json()
        text = str(body.get("detail") or body.get("title") or "")
        if not text:
            text = "; ".join(
                str(error.get("message") or error.get("detail")) for error in body.get("errors", ())
            )
    except (ValueError, AttributeError, TypeError):
        # It is no JSON, or none as X sends it.
        text = ""
    return " ".join((text or response.reason or "").split())[:300]


def reason(error: BaseException) -> str:
    """The innermost cause, without addresses of objects."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return f"{type(error).__name__}: {error}"
