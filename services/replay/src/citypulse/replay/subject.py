"""A tweet as rules look at it: words, entities, users, place and references, each computed when needed."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

__all__ = ["KEYS", "UNSPACED", "WORD", "Subject", "folded"]

Json = dict[str, Any]

WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces: their words cannot be told apart by punctuation, so they are sought as
# substrings.
UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_HASHTAG = re.compile(r"#(\w+)")
_CASHTAG = re.compile(r"\$([A-Za-z]\w*)")
_MENTION = re.compile(r"@(\w+)")


class Subject:
    """A tweet with its includes, as rules look at it. Everything is computed at first use."""

    def __init__(self, data: Json, includes: Json) -> None:
        self.data = data
        self.includes = includes

    @cached_property
    def references(self) -> dict[str, str]:
        """The referenced tweet's id by type: retweeted, quoted, replied_to."""
        return {item["type"]: str(item["id"]) for item in self.data.get("referenced_tweets") or ()}

    @cached_property
    def retweet(self) -> bool:
        """Whether this is a pure retweet; place operators never match one."""
        return "retweeted" in self.references

    @cached_property
    def place(self) -> Json | None:
        """The place object of the tweet itself, None for a retweet or where it was not included."""
        place_id = None if self.retweet else (self.data.get("geo") or {}).get("place_id")
        return (
            next((p for p in self.includes.get("places") or () if p.get("id") == place_id), None)
            if place_id
            else None
        )

    @cached_property
    def words(self) -> list[str]:
        """The tweet's words, lower case, accents kept; of a retweet also its original's, whose text it
        shortens.
        """
        return WORD.findall(self.text)

    @cached_property
    def text(self) -> str:
        """The text in lower case and composed form, which every term is compared with."""
        texts = [self.data.get("text") or ""]
        if self.retweet:
            original = self.references["retweeted"]
            texts += [
                t.get("text") or "" for t in self.includes.get("tweets") or () if t.get("id") == original
            ]
        return folded("\n".join(texts))

    @cached_property
    def padded(self) -> str:
        """The words joined and enclosed by single spaces, so that a phrase is a substring."""
        return f" {' '.join(self.words)} "

    @cached_property
    def box(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of the tweet's point or place, in degrees."""
        if self.retweet:
            return None
        point = ((self.data.get("geo") or {}).get("coordinates") or {}).get("coordinates")
        if point and len(point) == 2:
            return (point[0], point[1], point[0], point[1])
        box = ((self.place or {}).get("geo") or {}).get("bbox")
        return tuple(box) if box and len(box) == 4 else None

    def user(self, identity: str | None) -> set[str]:
        """The id and the user name of an account, as far as the message tells them."""
        if not identity:
            return set()
        names = {
            u["username"].lower()
            for u in self.includes.get("users") or ()
            if u.get("id") == identity and "username" in u
        }
        return names | {identity}

    def entities(self, kind: str, field: str, pattern: re.Pattern[str]) -> set[str]:
        """Names of one kind of entity in lower case, from X's own annotation or, without it, from the
        text.
        """
        annotated = self.data.get("entities")
        if annotated is not None:
            return {folded(item[field]) for item in annotated.get(kind) or () if field in item}
        return {folded(name) for name in pattern.findall(self.data.get("text") or "")}

    def original_author(self) -> set[str]:
        """The author of a retweet's original: from the includes, or by the name that the retweet's text
        begins with.
        """
        original = self.references.get("retweeted")
        if original is None:
            return set()
        authors = [t.get("author_id") for t in self.includes.get("tweets") or () if t.get("id") == original]
        named = re.match(r"RT @(\w+):", self.data.get("text") or "")
        return self.user(authors[0] if authors else None) | ({named[1].lower()} if named else set())


def folded(text: str) -> str:
    """Text as it is compared: lower case, composed, accents kept."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def _country(subject: Subject) -> Iterable[str]:
    place = subject.place
    code = place.get("country_code") if place else None
    return (code.upper(),) if code else ()


def _place(subject: Subject) -> Iterable[str]:
    place = subject.place
    return {folded(place[key]) for key in ("id", "name", "full_name") if place.get(key)} if place else ()


def _one(value: str | None) -> Iterable[str]:
    return (value,) if value else ()


# What a tweet has of each kind of term that can be looked up: the keys of the index.
KEYS: dict[str, Callable[[Subject], Iterable[str]]] = {
    "place_country": _country,
    "place": _place,
    "from": lambda s: s.user(s.data.get("author_id")),
    "to": lambda s: s.user(s.data.get("in_reply_to_user_id")),
    "retweets_of": Subject.original_author,
    "retweets_of_tweet_id": lambda s: _one(s.references.get("retweeted")),
    "in_reply_to_tweet_id": lambda s: _one(s.references.get("replied_to")),
    "conversation_id": lambda s: _one(s.data.get("conversation_id")),
    "#": lambda s: s.entities("hashtags", "tag", _HASHTAG),
    "$": lambda s: s.entities("cashtags", "tag", _CASHTAG),
    "@": lambda s: s.entities("mentions", "username", _MENTION),
    "keyword": lambda s: s.words,
}
