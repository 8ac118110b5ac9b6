"""A page of recent search becomes messages, as the stream would have sent them.

A page's places belong to all its posts; a message has its own. What X says of a post is kept byte for byte.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec


class Found(NamedTuple):
    """A post of a page."""

    id: int
    data: msgspec.Raw
    place: msgspec.Raw | None


class Page(NamedTuple):
    """What X answers."""

    posts: list[Found]
    next_token: str
    """Empty on the last page."""


class _Meta(msgspec.Struct):
    next_token: str = ""


class _Includes(msgspec.Struct):
    places: list[msgspec.Raw] = []


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw] = []
    includes: _Includes = msgspec.field(default_factory=_Includes)
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Geo(msgspec.Struct):
    place_id: str | None = None


class _Post(msgspec.Struct):
    id: int
    geo: _Geo | None = None


class _Place(msgspec.Struct):
    id: str


_answers = msgspec.json.Decoder(_Answer)
_posts = msgspec.json.Decoder(_Post, strict=False)
_places = msgspec.json.Decoder(_Place)


def page(content: bytes) -> Page:
    """Read X's answer.

    Raises:
        msgspec.DecodeError: it is none.
    """
    try:
        answer = _answers.decode(content)
        places = {_places.decode(place).id: place for place in answer.includes.places}
        return Page(list(_found(answer.data, places)), answer.meta.next_token)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error


def message(found: Found, tags: list[str]) -> bytes:
    """A post as the stream would have sent it.

    Args:
        found: of a page.
        tags: of the rules that it matches.
    """
    return msgspec.json.encode(
        {
            "data": found.data,
            "includes": {"places": [found.place] if found.place is not None else []},
            "matching_rules": [{"tag": tag} for tag in tags],
        }
    )


def _found(data: list[msgspec.Raw], places: dict[str, msgspec.Raw]) -> Iterator[Found]:
    for raw in data:
        post = _posts.decode(raw)
        place_id = post.geo.place_id if post.geo else None
        yield Found(post.id, raw.copy(), places.get(place_id) if place_id else None)
