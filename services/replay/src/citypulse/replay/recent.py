"""What recent search and recent counts have in common: a query, a span of the last week, and what they find.

Limits and wording are X's where its documentation or its answers show them: a week back, an end no nearer
than 10 seconds and 30 seconds without one, ids and times not together.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from citypulse.events.messages import Message
from citypulse.replay.files import SNOWFLAKE_EPOCH_MS
from citypulse.replay.history import History, Key, Post
from citypulse.replay.rule_match import Matcher
from citypulse.replay.rule_syntax import InvalidRuleError, parse

__all__ = ["PARAMETERS", "Asked", "BadRequestError", "asked", "bad_value", "found", "iso"]

Json = dict[str, Any]

PARAMETERS = frozenset(
    {"query", "start_time", "end_time", "since_id", "until_id", "next_token", "pagination_token"}
)
WEEK_MS = 7 * 86_400_000
_LAST_ID = 2**63
_SCANNED_AT_ONCE = 100


class BadRequestError(ValueError):
    """A request that X would answer with 400: its sentence, and the parameters that it names."""

    def __init__(self, sentence: str, parameters: Json) -> None:
        super().__init__(sentence)
        self.sentence, self.parameters = sentence, parameters


def bad_value(name: str, value: str, why: str) -> BadRequestError:
    """The refusal of one parameter's value, in X's form of words."""
    return BadRequestError(f"The `{name}` query parameter value [{value}] {why}", {name: [value]})


class Asked(NamedTuple):
    """The posts that a request asks for: a query, created in [start_ms, end_ms), since_id < id < until_id.

    `token` is where the page before ended, as it was given.
    """

    matcher: Matcher[bool]
    start_ms: int
    end_ms: int
    since_id: int
    until_id: int
    token: str

    def matches(self, post: Post, message: Message) -> bool:
        """Whether it asks for a post; one that X had matched already matches any query, as any rule."""
        if not self.since_id < post.id < self.until_id:
            return False
        return message.matching_rules is not None or bool(self.matcher.match(message.data, message.includes))


def asked(query: Mapping[str, str], *, longest: int, now_ms: int, delay_seconds: float) -> Asked:
    """Read a request's parameters; `longest` is how many characters its query may have, and `delay_seconds`
    how long a post takes to be found.

    Raises BadRequestError.
    """
    matcher = _matcher(query.get("query", ""), longest)
    by_id = [name for name in ("since_id", "until_id") if name in query]
    by_time = [name for name in ("start_time", "end_time") if name in query]
    if by_id and by_time:
        raise BadRequestError(
            "Invalid use of 'since_id' or 'until_id' in conjunction with 'start_time' or 'end_time'.",
            {name: [query[name]] for name in by_id + by_time},
        )
    week_ms = now_ms - WEEK_MS
    delay_ms = int(delay_seconds * 1000)
    start_ms, end_ms = _time(query, "start_time", week_ms), _time(query, "end_time", now_ms - 3 * delay_ms)
    # Times are in whole seconds, so that one just a week ago is not refused for the rest of its second.
    if start_ms < week_ms - 1000:
        _refuse_time(query, "start_time", f"must be on or after {_minute(week_ms)}")
    for name, ms in (("start_time", start_ms), ("end_time", end_ms)):
        if name in query and ms > now_ms - delay_ms:
            _refuse_time(
                query, name, f"must be a minimum of {delay_seconds:g} seconds prior to the request time"
            )
    if end_ms < start_ms:
        _refuse_time(query, "end_time" if "end_time" in query else "start_time", "leave no time between them")
    since_id, until_id = _id(query, "since_id", 0), _id(query, "until_id", _LAST_ID)
    if "since_id" in query and (since_id >> 22) + SNOWFLAKE_EPOCH_MS < week_ms:
        oldest = (week_ms - SNOWFLAKE_EPOCH_MS) << 22
        raise BadRequestError(
            f"'since_id' must be a tweet id created after {_minute(week_ms)}."
            f" Please use a 'since_id' that is larger than {oldest}",
            {"since_id": [query["since_id"]]},
        )
    token = query.get("next_token", query.get("pagination_token", ""))
    return Asked(matcher, start_ms, end_ms, since_id, until_id, token)


async def found(history: History, wanted: Asked, before: Key) -> AsyncIterator[tuple[Post, Message]]:
    """The posts that are asked for and stand before a key, newest first.

    Gives way to the streams in between, however many posts there are.
    """
    while posts := history.before(before, _SCANNED_AT_ONCE):
        for post in posts:
            if post.created_ms < wanted.start_ms:
                return
            message = post.message()
            if wanted.matches(post, message) and not history.expired(post):
                yield post, message
        before = Key(posts[-1].created_ms, posts[-1].id)
        await asyncio.sleep(0)


def iso(ms: int) -> str:
    """A time as X writes it, to the millisecond."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


def _matcher(text: str, longest: int) -> Matcher[bool]:
    if not text.strip():
        raise BadRequestError("The `query` query parameter can not be empty", {"query": [text]})
    if len(text) > longest:
        raise BadRequestError(
            f"Your query is {len(text)} characters long; the maximum is {longest}", {"query": [text]}
        )
    try:
        return Matcher([(True, parse(text.strip()))])
    except InvalidRuleError as error:
        raise BadRequestError("; ".join(error.details), {"query": [text]}) from None


def _time(query: Mapping[str, str], name: str, default: int) -> int:
    """A time parameter in ms since the epoch, to the second."""
    text = query.get(name)
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z", text):
        raise bad_value(name, text, "is not a valid time: YYYY-MM-DDTHH:mm:ssZ")
    return int(moment.timestamp()) * 1000


def _id(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise bad_value(name, text, "is not valid")
    return int(text)


def _refuse_time(query: Mapping[str, str], name: str, why: str) -> NoReturn:
    value = query.get(name, "")
    raise BadRequestError(f"Invalid '{name}':'{value}'. '{name}' {why}", {name: [value]})


def _minute(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
