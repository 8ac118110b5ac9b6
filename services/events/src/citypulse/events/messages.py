"""Stored X API v2 JSON, in every form people keep it, read as messages of the filtered stream.

A file may hold, one JSON value a line or one value for the whole file:

- stream messages: `{"data": {...}, "includes": {...}, "matching_rules": [...]}`, as the filtered stream sends
  them;
- pages: `{"data": [...], "includes": {...}, "meta": {...}}`, as search and lookup answer (`data` may be one
  object);
- lists of either, and bare tweets (`{"id": ..., "text": ...}`);
- any of these once more encoded as a JSON string (a capture that was dumped twice);
- the truth lines that citypulse-replay writes, `{"at": ..., "stream": ..., "message": {...}}`, after their
  header.

What comes out is always one tweet a message. Its includes hold only what that tweet references, as on the
stream, where a page's includes belong to all its tweets together.

    report = Report()
    for message in read("tweets.jsonl", report):
        ...
    report.bad_lines, report.first_bad
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["BadFileError", "Message", "Report", "load", "of_json", "read", "reason_empty"]

Json = dict[str, Any]

_decode = msgspec.json.Decoder().decode


class BadFileError(ValueError):
    """A file that gives no tweet at all; its text is one sentence for the user."""


class Message(msgspec.Struct, omit_defaults=True):
    """One tweet as X's filtered stream sends it.

    `data` is the tweet, with `id` a decimal string. `includes` maps "users", "places", "tweets", "media" and
    "polls" to lists of objects that this tweet references. `matching_rules` is None where the stored form had
    none (a page), else the list as it was stored.
    """

    data: Json
    includes: Json = msgspec.field(default_factory=dict)
    matching_rules: list[Json] | None = None


class Report(msgspec.Struct):
    """What a reading met: counts, and the first line that was not understood."""

    lines: int = 0
    tweets: int = 0
    bad_lines: int = 0
    first_bad_line: int | None = None
    first_bad_reason: str = ""
    without_tweet: int = 0
    """Values that are JSON but hold no tweet: in-stream errors, empty pages."""

    @property
    def first_bad(self) -> str:
        """The first bad line in words, `line 8: ...`, or an empty string."""
        return f"line {self.first_bad_line}: {self.first_bad_reason}" if self.first_bad_line else ""


def load(path: str | Path) -> tuple[list[Message], Report]:
    """All messages of a file, and the report of its reading.

    Raises BadFileError, in one sentence, for a file that is missing, unreadable, empty or without a single
    tweet.
    """
    report = Report()
    messages = list(read(path, report))
    if not messages:
        raise BadFileError(reason_empty(path, report))
    return messages, report


def of_json(body: bytes) -> list[Message]:
    """The messages of one JSON value, in any of the forms above.

    Raises ValueError, whose text says what is wrong with it.
    """
    return list(_messages_of_value(_decode(body)))


def reason_empty(path: str | Path, report: Report) -> str:
    """Why a reading that gave no tweet gave none, in one sentence."""
    if report.bad_lines:
        bad = f"{report.bad_lines} of its {report.lines} lines are not X API v2 JSON ({report.first_bad})"
        return f"{path} holds no tweet: {bad}"
    if report.lines == 0:
        return f"{path} is empty: give a file with X API v2 JSON, one value a line"
    return f"{path} holds JSON but no tweet: give stream messages, pages of search or lookup, or bare tweets"


def read(path: str | Path, report: Report | None = None) -> Iterator[Message]:
    """Yield the messages of a file in their stored order, counting into `report` what was met.

    A line that is not JSON, or whose tweet has no id, is counted as bad and skipped; the rest goes on. A file
    whose first line is no JSON value of its own, while the file as a whole is one, is read as that one value
    (a pretty-printed list, for instance). Raises BadFileError for a file that is missing or unreadable.
    """
    report = report if report is not None else Report()
    source = Path(path)
    if _is_one_value(source):
        report.lines = 1
        yield from _messages_of_line(source.read_bytes(), 1, report)
        return
    with source.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if text:
                report.lines += 1
                yield from _messages_of_line(text, number, report)


def _is_one_value(source: Path) -> bool:
    """Whether the file is a single JSON value spread over several lines; checks too that it can be read."""
    try:
        with source.open("rb") as lines:
            first = next((text for line in lines if (text := line.strip())), b"")
            more = bool(lines.read(1))
        if not first or not more:
            return False
        try:
            _decode(first)
        except (msgspec.DecodeError, UnicodeDecodeError):
            _decode(source.read_bytes())
            return True
    except FileNotFoundError:
        raise BadFileError(f"{source} does not exist: give the path of a file with X API v2 JSON") from None
    except OSError as error:
        raise BadFileError(f"{source} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return False


def _messages_of_line(text: bytes, number: int, report: Report) -> Iterator[Message]:
    try:
        messages = list(_messages_of_value(_decode(text)))
    except (msgspec.MsgspecError, ValueError) as error:
        report.bad_lines += 1
        if report.first_bad_line is None:
            report.first_bad_line, report.first_bad_reason = number, str(error)
        return
    if messages:
        report.tweets += len(messages)
        yield from messages
    else:
        report.without_tweet += 1


def _messages_of_value(value: Any) -> Iterator[Message]:
    if isinstance(value, str):
        value = _decode(value)
    if isinstance(value, list):
        for item in value:
            yield from _messages_of_value(item)
        return
    fields = msgspec.convert(value, dict[str, Any])
    if "truth" in fields:
        return
    if "message" in fields and "stream" in fields:
        yield from _messages_of_value(fields["message"])
    elif "data" in fields:
        yield from _messages_of_page(fields)
    elif "id" in fields and "text" in fields:
        yield Message(_checked(fields))
    elif not {"errors", "meta", "includes", "title"} & fields.keys():
        raise ValueError("the object has neither data nor the id and text of a tweet")


def _messages_of_page(page: Json) -> Iterator[Message]:
    data, rules = page["data"], page.get("matching_rules")
    includes = msgspec.convert(page.get("includes") or {}, _Includes)
    if rules is not None:
        msgspec.convert(rules, list[Json])
    if isinstance(data, list):
        for tweet in data:
            checked = _checked(tweet)
            yield Message(checked, _referenced(checked, includes), rules)
    else:
        tweet = _checked(data)
        # A stream message's includes are its own already, as X chose them.
        yield Message(tweet, includes if rules is not None else _referenced(tweet, includes), rules)


class _Reference(msgspec.Struct):
    type: str
    id: str


class _Geo(msgspec.Struct):
    place_id: str | None = None
    coordinates: Json | None = None


class _Tweet(msgspec.Struct):
    """The fields that anyone looks at, to be sure of their types; all others pass as they are."""

    id: str
    text: str = ""
    created_at: str | None = None
    author_id: str | None = None
    conversation_id: str | None = None
    in_reply_to_user_id: str | None = None
    lang: str | None = None
    edit_history_tweet_ids: list[str] | None = None
    referenced_tweets: list[_Reference] | None = None
    geo: _Geo | None = None
    entities: dict[str, list[Json]] | None = None
    attachments: Json | None = None


_Includes = dict[str, list[Json]]


def _checked(tweet: Any) -> Json:
    fields = msgspec.convert(tweet, Json)
    if not msgspec.convert(fields, _Tweet).id.isdecimal():
        raise ValueError(f"the id {fields['id']!r} of a tweet is no decimal number")
    return fields


def _referenced(tweet: Json, includes: _Includes) -> _Includes:
    """Of a page's includes, what the stream would send with this tweet, in the page's order."""
    if not includes:
        return {}
    tweet_ids = {item.get("id") for item in tweet.get("referenced_tweets") or ()}
    tweet_ids.update(tweet.get("edit_history_tweet_ids") or ())
    tweet_ids.discard(tweet.get("id"))
    tweets = [item for item in includes.get("tweets") or () if item.get("id") in tweet_ids]

    authors = {tweet.get("author_id"), tweet.get("in_reply_to_user_id")} | {
        item.get("author_id") for item in tweets
    }
    mentioned = {item.get("username") for item in (tweet.get("entities") or {}).get("mentions") or ()}
    attachments = tweet.get("attachments") or {}
    media, polls = set(attachments.get("media_keys") or ()), set(attachments.get("poll_ids") or ())
    place = (tweet.get("geo") or {}).get("place_id")

    found = {
        "users": [
            u for u in includes.get("users") or () if u.get("id") in authors or u.get("username") in mentioned
        ],
        "places": [p for p in includes.get("places") or () if p.get("id") == place] if place else [],
        "tweets": tweets,
        "media": [m for m in includes.get("media") or () if m.get("media_key") in media],
        "polls": [p for p in includes.get("polls") or () if p.get("id") in polls],
    }
    return {name: items for name, items in found.items() if items}
