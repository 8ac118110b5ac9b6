"""Which of a set of rules a tweet matches, quickly: rules are compiled to closures and found through an
index.

An index over what must be true for a rule to match (a country, a place, an author, a word, the original of a
retweet) leads from a tweet to its few candidates, so that 1,000 rules over 23,000 originals cost a few
look-ups a tweet. A rule that is only such terms joined by OR needs no further evaluation.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from citypulse.replay.rule_operators import box_of, circle_of
from citypulse.replay.rule_syntax import And, Node, Not, Or, Term
from citypulse.replay.subject import KEYS, UNSPACED, WORD, Subject, folded

__all__ = ["Matcher", "compile_rule"]

Json = dict[str, Any]
Test = Callable[["Subject"], bool]
Rule = TypeVar("Rule")


def _key(term: Term) -> tuple[str, str] | None:
    """The index key that holds exactly when the term does, or None."""
    if term.op not in KEYS:
        return None
    value = folded(term.value)
    if term.op == "keyword" and (UNSPACED.search(value) or WORD.findall(value) != [value]):
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
        keys, wanted = KEYS[key[0]], key[1]
        return lambda subject: wanted in keys(subject)
    return _TERMS[term.op](term.value)


def _text_test(value: str) -> Test:
    sought = folded(value)
    words = WORD.findall(sought)
    if not words or UNSPACED.search(sought):
        return lambda subject: sought in subject.text
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
    named = {"hashtags": ("#", KEYS["#"]), "cashtags": ("$", KEYS["$"]), "mentions": ("@", KEYS["@"])}.get(
        kind
    )
    if named is not None:
        return lambda subject: bool(named[1](subject))
    return lambda subject: bool((subject.data.get("entities") or {}).get(entity))


def _url_test(value: str) -> Test:
    wanted = folded(value)
    fields = ("url", "expanded_url", "unwound_url")
    return lambda subject: any(
        wanted in folded(url.get(field) or "")
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
            for value in KEYS[kind](subject):
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
