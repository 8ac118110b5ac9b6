"""Which of a set of rules a tweet matches, quickly: rules are compiled to closures and found through an
index.

An index over what must be true for a rule to match (a country, a place, an author, a word, the original of a
retweet) leads from a tweet to its few candidates, so that 1,000 rules over 23,000 originals cost a few
look-ups a tweet. A rule that is only such terms joined by OR needs no further evaluation.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Generic, TypeVar

from citypulse.replay.rule_syntax import And, Node, Not, Or, Term, box_of, circle_of

__all__ = ["Matcher", "Subject", "compile_rule"]

Json = dict[str, Any]
Test = Callable[["Subject"], bool]
Rule = TypeVar("Rule")

_WORD = re.compile(r"[^\W_]+")
_HASHTAG = re.compile(r"#(\w+)")
_CASHTAG = re.compile(r"\$([A-Za-z]\w*)")
_MENTION = re.compile(r"@(\w+)")
# Scripts written without spaces: their words cannot be told apart by punctuation, so they are sought as
# substrings.
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


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
        return _WORD.findall(self.text)

    @cached_property
    def text(self) -> str:
        """The text in lower case and composed form, which every term is compared with."""
        texts = [self.data.get("text") or ""]
        if self.retweet:
            original = self.references["retweeted"]
            texts += [
                t.get("text") or "" for t in self.includes.get("tweets") or () if t.get("id") == original
            ]
        return _folded("\n".join(texts))

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
            return {_folded(item[field]) for item in annotated.get(kind) or () if field in item}
        return {_folded(name) for name in pattern.findall(self.data.get("text") or "")}

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


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).lower()


def _country(subject: Subject) -> Iterable[str]:
    place = subject.place
    code = place.get("country_code") if place else None
    return (code.upper(),) if code else ()


def _place(subject: Subject) -> Iterable[str]:
    place = subject.place
    return {_folded(place[key]) for key in ("id", "name", "full_name") if place.get(key)} if place else ()


def _one(value: str | None) -> Iterable[str]:
    return (value,) if value else ()


# What a tweet has of each kind of term that can be looked up: the keys of the index.
_KEYS: dict[str, Callable[[Subject], Iterable[str]]] = {
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


def _key(term: Term) -> tuple[str, str] | None:
    """The index key that holds exactly when the term does, or None."""
    if term.op not in _KEYS:
        return None
    value = _folded(term.value)
    if term.op == "keyword" and (_UNSPACED.search(value) or _WORD.findall(value) != [value]):
        return None
    return term.op, value.upper() if term.op == "place_country" else value


def compile_rule(node: Node) -> Test:
    """A function that tells whether a tweet matches the rule."""
    match node:
        case Term():
            return _compile_term(node)
        case Not():
            inner = compile_rule(node.clause)
            return lambda subject: not inner(subject)
        case And():
            all_of = [compile_rule(clause) for clause in node.clauses]
            return lambda subject: all(test(subject) for test in all_of)
        case Or():
            any_of = [compile_rule(clause) for clause in node.clauses]
            return lambda subject: any(test(subject) for test in any_of)


def _compile_term(term: Term) -> Test:
    key = _key(term)
    if key is not None:
        keys, wanted = _KEYS[key[0]], key[1]
        return lambda subject: wanted in keys(subject)
    return _TERMS[term.op](term.value)


def _text_test(value: str) -> Test:
    folded = _folded(value)
    words = _WORD.findall(folded)
    if not words or _UNSPACED.search(folded):
        return lambda subject: folded in subject.text
    phrase = f" {' '.join(words)} "
    return lambda subject: phrase in subject.padded


def _is_test(kind: str) -> Test:
    if kind == "nullcast":
        return lambda subject: False
    if kind == "verified":
        return lambda subject: any(
            u.get("verified")
            for u in subject.includes.get("users") or ()
            if u.get("id") == subject.data.get("author_id")
        )
    reference = {"retweet": "retweeted", "reply": "replied_to", "quote": "quoted"}[kind]
    return lambda subject: reference in subject.references


def _has_test(kind: str) -> Test:
    if kind == "geo":
        return lambda subject: bool(subject.data.get("geo")) and not subject.retweet
    if kind in ("media", "images", "videos", "video_link"):
        types = {"images": {"photo"}, "media": {"photo", "video", "animated_gif"}}.get(kind, {"video"})
        return lambda subject: any(m.get("type") in types for m in subject.includes.get("media") or ())
    entity = "urls" if kind == "links" else kind
    named = {"hashtags": ("#", _KEYS["#"]), "cashtags": ("$", _KEYS["$"]), "mentions": ("@", _KEYS["@"])}.get(
        kind
    )
    if named is not None:
        return lambda subject: bool(named[1](subject))
    return lambda subject: bool((subject.data.get("entities") or {}).get(entity))


def _url_test(value: str) -> Test:
    wanted = _folded(value)
    fields = ("url", "expanded_url", "unwound_url")
    return lambda subject: any(
        wanted in _folded(url.get(field) or "")
        for url in (subject.data.get("entities") or {}).get("urls") or ()
        for field in fields
    )


def _box_test(value: str) -> Test:
    limits = box_of(value)
    if limits is None:
        raise ValueError(value)
    west, south, east, north = limits

    def inside(subject: Subject) -> bool:
        box = subject.box
        return box is not None and west <= box[0] and south <= box[1] and box[2] <= east and box[3] <= north

    return inside


def _circle_test(value: str) -> Test:
    circle = circle_of(value)
    if circle is None:
        raise ValueError(value)
    longitude, latitude, radius = circle

    def inside(subject: Subject) -> bool:
        box = subject.box
        return box is not None and all(
            _distance_km(longitude, latitude, x, y) <= radius
            for x in (box[0], box[2])
            for y in (box[1], box[3])
        )

    return inside


def _distance_km(west: float, south: float, east: float, north: float) -> float:
    phi1, phi2 = math.radians(south), math.radians(north)
    half = math.sin((phi2 - phi1) / 2) ** 2
    half += math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(east - west) / 2) ** 2
    return 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(half)))


def _sample_test(value: str) -> Test:
    percent = int(value)
    # A fixed mix of the id's bits: the same tweets are in every sample of at least that size, on every run.
    return lambda subject: (
        ((int(subject.data["id"]) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF) * 100 >> 64 < percent
    )


def _lang_test(value: str) -> Test:
    wanted = value.lower()
    return lambda subject: (subject.data.get("lang") or "").lower() == wanted


_TERMS: dict[str, Callable[[str], Test]] = {
    "keyword": _text_test,
    "phrase": _text_test,
    "is": _is_test,
    "has": _has_test,
    "lang": _lang_test,
    "url": _url_test,
    "bounding_box": _box_test,
    "point_radius": _circle_test,
    "sample": _sample_test,
}


class Matcher(Generic[Rule]):
    """The rules of one stream, compiled once; `match` gives those that a tweet matches, in their order."""

    def __init__(self, rules: Iterable[tuple[Rule, Node]]) -> None:
        self.rules: list[Rule] = []
        self._tests: list[Test] = []
        self._always: list[int] = []
        self._index: dict[str, dict[str, list[tuple[int, bool]]]] = {}
        for number, (rule, node) in enumerate(rules):
            self.rules.append(rule)
            self._tests.append(compile_rule(node))
            anchors = _anchors(node)
            if anchors is None:
                self._always.append(number)
                continue
            keys, exact = anchors
            for kind, value in keys:
                self._index.setdefault(kind, {}).setdefault(value, []).append((number, exact))

    def match(self, data: Json, includes: Json) -> list[Rule]:
        """The rules that match this tweet."""
        subject = Subject(data, includes)
        found: dict[int, bool] = dict.fromkeys(self._always, False)
        for kind, entries in self._index.items():
            for value in _KEYS[kind](subject):
                for number, exact in entries.get(value, ()):
                    found[number] = found.get(number, False) or exact
        if not found:
            return []
        return [self.rules[n] for n in sorted(found) if found[n] or self._tests[n](subject)]


def _anchors(node: Node) -> tuple[set[tuple[str, str]], bool] | None:
    """Keys of which one must hold for the rule to match, and whether any one of them is enough; None where
    there are none.
    """
    match node:
        case Term():
            key = _key(node)
            return ({key}, True) if key is not None else None
        case Not():
            return None
        case And():
            known = [anchors for clause in node.clauses if (anchors := _anchors(clause)) is not None]
            return (min((keys for keys, _ in known), key=len), False) if known else None
        case Or():
            union: set[tuple[str, str]] = set()
            exact = True
            for clause in node.clauses:
                anchors = _anchors(clause)
                if anchors is None:
                    return None
                union |= anchors[0]
                exact = exact and anchors[1]
            return union, exact
