"""Recent counts: how many posts match a query, by minute, hour or day."""

import re
from collections.abc import Mapping
from typing import Any

from citypulse.replay.history import History, Key
from citypulse.replay.recent import PARAMETERS, Asked, bad_value, found, iso

__all__ = ["COUNTS_PARAMETERS", "counts"]

Json = dict[str, Any]

COUNTS_PARAMETERS = PARAMETERS | {"granularity"}
_GRANULARITIES = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


async def counts(query: Mapping[str, str], wanted: Asked, history: History, buckets_a_page: int) -> Json:
    """The body of the answer to a counts request: data, oldest first, and meta with this page's total.

    Buckets begin and end at whole minutes, hours or days UTC, the first and last where the span does. Where
    they are more than a page, the first page has the newest. Raises BadRequestError.
    """
    granularity = query.get("granularity", "hour")
    if granularity not in _GRANULARITIES:
        raise bad_value("granularity", granularity, "is not one of [minute,hour,day]")
    width = _GRANULARITIES[granularity]
    end_ms = min(wanted.end_ms, _end(wanted.token)) if wanted.token else wanted.end_ms
    first = max(wanted.start_ms // width, (end_ms - 1) // width - buckets_a_page + 1)
    numbers = range(first, (end_ms - 1) // width + 1)
    counted = dict.fromkeys(numbers, 0)
    page = wanted._replace(start_ms=max(wanted.start_ms, first * width))
    async for post, _ in found(history, page, Key(end_ms, 0)):
        counted[post.created_ms // width] += 1
    meta: Json = {"total_tweet_count": sum(counted.values())}
    if page.start_ms > wanted.start_ms:
        meta["next_token"] = f"{page.start_ms:x}"
    data = [
        {
            "end": iso(min(end_ms, (number + 1) * width)),
            "start": iso(max(page.start_ms, number * width)),
            "tweet_count": count,
        }
        for number, count in counted.items()
    ]
    return {"data": data, "meta": meta}


def _end(token: str) -> int:
    if not re.fullmatch(r"[0-9a-f]{1,16}", token):
        raise bad_value("next_token", token, "is not valid")
    return int(token, 16)
