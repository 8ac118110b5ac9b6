"""Messages as X sends them, posts and retweets."""

from __future__ import annotations

import json
from typing import Any

PLACE = {
    "id": "36775d842cbec509",
    "name": "Montréal",
    "full_name": "Montréal, Québec",
    "place_type": "city",
    "country_code": "CA",
    "geo": {"bbox": [-74.0, 45.0, -73.0, 46.0]},
}
FIRST = 1_900_000_000_000_000_000
"""An id of 2025, from which on tests count."""


def post(number: int, *tags: str, place: dict[str, Any] | None = PLACE) -> bytes:
    """A post, located unless told otherwise."""
    data: dict[str, Any] = {"id": str(number), "author_id": "7", "edit_history_tweet_ids": [str(number)]}
    includes: dict[str, Any] = {}
    if place:
        data["geo"] = {"place_id": place["id"]}
        includes = {"places": [place]}
    return _message(data, includes, tags or ("citypulse/main/all/1",))


def retweet(number: int, original: int, *tags: str) -> bytes:
    """A retweet, which has no place."""
    data: dict[str, Any] = {
        "id": str(number),
        "author_id": "8",
        "edit_history_tweet_ids": [str(number)],
        "referenced_tweets": [{"type": "retweeted", "id": str(original)}],
    }
    return _message(data, {}, tags or ("citypulse/main/+retweets/1",))


def _message(data: dict[str, Any], includes: dict[str, Any], tags: tuple[str, ...]) -> bytes:
    rules = [{"id": str(n), "tag": tag} for n, tag in enumerate(tags)]
    return json.dumps({"data": data, "includes": includes, "matching_rules": rules}).encode()
