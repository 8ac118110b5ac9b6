"""Recent search: the newest posts that match a query, a page at a time."""

import re
from collections.abc import Mapping
from typing import Any

from citypulse.replay.fields import FIELD_PARAMETERS, selection
from citypulse.replay.history import History, Key
from citypulse.replay.recent import PARAMETERS, Asked, bad_value, found

__all__ = ["SEARCH_PARAMETERS", "search"]

Json = dict[str, Any]

SEARCH_PARAMETERS = PARAMETERS | FIELD_PARAMETERS | {"max_results", "sort_order"}
_FEWEST, _MOST = 10, 100


async def search(query: Mapping[str, str], wanted: Asked, history: History) -> Json:
    """The body of the answer to a search request: data, includes and meta.

    Posts come newest first, whatever `sort_order` says. Raises BadRequestError and BadParameterError.
    """
    chosen = selection(query)
    most = _max_results(query)
    if query.get("sort_order", "recency") not in ("recency", "relevancy"):
        raise bad_value("sort_order", query["sort_order"], "is not one of [recency,relevancy]")
    before = min(Key(wanted.end_ms, 0), _key(wanted.token)) if wanted.token else Key(wanted.end_ms, 0)
    data: list[Json] = []
    includes: dict[str, dict[str, Json]] = {}
    ids: list[int] = []
    last = before
    more = False
    async for post, message in found(history, wanted, before):
        if len(data) == most:
            more = True
            break
        shown = chosen.message(message.data, message.includes, [])
        data.append(shown["data"])
        ids.append(post.id)
        for kind, items in shown.get("includes", {}).items():
            for item in items:
                includes.setdefault(kind, {}).setdefault(str(item.get("id") or item.get("media_key")), item)
        last = Key(post.created_ms, post.id)
    if not data:
        return {"meta": {"result_count": 0}}
    meta: Json = {"newest_id": str(max(ids)), "oldest_id": str(min(ids)), "result_count": len(data)}
    if more:
        meta["next_token"] = f"{last.created_ms:x}g{last.id:x}"
    answer: Json = {"data": data}
    if includes:
        answer["includes"] = {kind: list(items.values()) for kind, items in includes.items()}
    return {**answer, "meta": meta}


def _max_results(query: Mapping[str, str]) -> int:
    text = query.get("max_results", str(_FEWEST))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not _FEWEST <= int(text) <= _MOST:
        raise bad_value("max_results", text, f"is not between {_FEWEST} and {_MOST}")
    return int(text)


def _key(token: str) -> Key:
    parts = re.fullmatch(r"([0-9a-f]{1,16})g([0-9a-f]{1,16})", token)
    if parts is None:
        raise bad_value("next_token", token, "is not valid")
    return Key(int(parts[1], 16), int(parts[2], 16))
