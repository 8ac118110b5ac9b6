"""Stored tweets keep their order, their times or the distance between them, and what refers to what."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.messages import Message
from citypulse.replay.files import SNOWFLAKE_EPOCH_MS, created_ms, open_stored, read_stored, shift_message
from citypulse.replay.pace import Pace

from .rules import UNHURRIED
from .served import stored, tweet

DAY_MS = 86_400_000


def time_of(identity: str) -> int:
    return (int(identity) >> 22) + SNOWFLAKE_EPOCH_MS


def played(file: Path, pace: Pace, now_ms: int, **how: Any) -> list[tuple[float, Message]]:
    items, _ = read_stored(
        file, order=how.pop("order", "created"), place_country=how.pop("place_country", None)
    )
    return [(due.at, due.message) for due in open_stored(items, pace, **how)(now_ms)]


def test_tweets_play_by_creation_time_and_equal_times_in_the_file_s_order(tmp_path: Path) -> None:
    times = ["2026-01-01T00:00:02.000Z", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:02.000Z"]
    file = stored(tmp_path / "t", *(tweet(n, created=at) for n, at in enumerate(times)))
    found = played(file, Pace(speed=2), 0, shift=False)
    assert [(at, message.data["text"]) for at, message in found] == [
        (0.0, "tweet 1"),
        (1.0, "tweet 0"),
        (1.0, "tweet 2"),
    ]


def test_a_missing_or_wrong_time_is_read_from_the_id(tmp_path: Path) -> None:
    identity = str(1_600_000_000_000 - SNOWFLAKE_EPOCH_MS << 22)
    assert created_ms({"id": identity}) == 1_600_000_000_000
    assert created_ms({"id": identity, "created_at": "yesterday"}) == 1_600_000_000_000
    assert created_ms({"id": identity, "created_at": "2020-01-01T00:00:00.000Z"}) == 1_577_836_800_000


def test_a_country_is_filled_in_only_where_there_is_none(tmp_path: Path) -> None:
    bare = tweet(1)
    del bare["includes"]["places"][0]["country_code"]
    file = stored(tmp_path / "t", bare, tweet(2, country="GB"))
    places = [m.includes["places"][0] for _, m in played(file, Pace(), 0, shift=False, place_country="ca")]
    assert [(p["country_code"], p.get("country")) for p in places] == [("CA", "Canada"), ("GB", None)]


def test_shifting_moves_times_and_ids_together() -> None:
    first, second = "1576994746135764992", "1576994789110992896"
    data = {
        "id": second,
        "text": "hey",
        "created_at": "2022-10-03T17:57:11.000Z",
        "conversation_id": first,
        "edit_history_tweet_ids": [first, second],
        "referenced_tweets": [{"type": "quoted", "id": "1576994507"}, {"type": "replied_to", "id": first}],
        "edit_controls": {"editable_until": "2022-10-03T18:27:01.000Z"},
        "geo": {"place_id": "1576994789110992896"},
        "author_id": "1494167419413094401",
    }
    message = Message(
        json.loads(json.dumps(data)), {"tweets": [{"id": first, "created_at": "2022-10-03T17:57:01.000Z"}]}
    )
    shift_message(message, DAY_MS)
    moved = message.data
    assert moved["created_at"] == "2022-10-04T17:57:11.000Z"
    assert moved["edit_controls"]["editable_until"] == "2022-10-04T18:27:01.000Z"
    assert time_of(moved["id"]) == time_of(second) + DAY_MS
    assert int(moved["id"]) % (1 << 22) == int(second) % (1 << 22)
    assert moved["edit_history_tweet_ids"] == [moved["conversation_id"], moved["id"]]
    # An id from before snowflake holds no time, and neither does a user's or a place's.
    assert moved["referenced_tweets"] == [
        {"type": "quoted", "id": "1576994507"},
        {"type": "replied_to", "id": moved["conversation_id"]},
    ]
    assert (moved["author_id"], moved["geo"]) == (data["author_id"], data["geo"])
    assert message.includes["tweets"] == [
        {"id": moved["conversation_id"], "created_at": "2022-10-04T17:57:01.000Z"}
    ]


@UNHURRIED
@given(
    seconds=st.lists(st.integers(0, 10**6), min_size=1, max_size=30),
    pace=st.sampled_from(
        [Pace(), Pace(speed=10), Pace(speed=0.5), Pace(speed=0), Pace(rate=3), Pace(rate=0.01)]
    ),
    now_ms=st.integers(1_700_000_000_000, 1_900_000_000_000),
)
def test_shifted_to_now_nothing_is_sent_before_it_was_created_and_distances_stay(
    tmp_path_factory: Any, seconds: list[int], pace: Pace, now_ms: int
) -> None:
    base = 1_600_000_000
    pages = []
    for second in seconds:
        at_ms = (base + second) * 1000
        page = tweet(0, created="", id=str((at_ms - SNOWFLAKE_EPOCH_MS << 22) + len(pages)))
        del page["data"]["created_at"]
        pages.append(page)
    found = played(stored(tmp_path_factory.mktemp("shift") / "t", *pages), pace, now_ms, shift=True)
    created = [created_ms(message.data) for _, message in found]
    assert all(ms <= now_ms + at * 1000 for ms, (at, _) in zip(created, found, strict=True))
    assert max(now_ms + at * 1000 - ms for ms, (at, _) in zip(created, found, strict=True)) >= 0
    assert min(now_ms + at * 1000 - ms for ms, (at, _) in zip(created, found, strict=True)) < 1001
    ordered = sorted(seconds)
    assert [ms - created[0] for ms in created] == [(second - ordered[0]) * 1000 for second in ordered]
