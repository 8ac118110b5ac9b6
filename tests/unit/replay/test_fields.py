"""A stream sends the fields that were asked for, and with expansions what the tweet refers to."""

from typing import Any

import pytest

from citypulse.replay.fields import BadParameterError, selection

DATA: dict[str, Any] = {
    "id": "1",
    "text": "hi",
    "edit_history_tweet_ids": ["0", "1"],
    "author_id": "7",
    "in_reply_to_user_id": "8",
    "lang": "en",
    "geo": {"place_id": "p"},
    "referenced_tweets": [{"type": "quoted", "id": "2"}],
    "entities": {"mentions": [{"username": "cy"}]},
    "attachments": {"media_keys": ["3_1"], "poll_ids": ["4"]},
}
INCLUDES: dict[str, Any] = {
    "users": [
        {"id": str(n), "name": name, "username": name.lower(), "verified": True}
        for n, name in [(7, "Ada"), (8, "Bo"), (9, "Cy"), (6, "Di")]
    ],
    "tweets": [{"id": "2", "text": "quoted", "author_id": "6", "lang": "fr"}, {"id": "0", "text": "before"}],
    "places": [
        {"id": "p", "full_name": "Town, CA", "name": "Town", "country_code": "CA"},
        {"id": "q", "full_name": "Q"},
    ],
    "media": [{"media_key": "3_1", "type": "photo", "url": "u"}],
    "polls": [{"id": "4", "options": [], "voting_status": "open"}],
}


def sent(**query: str) -> dict[str, Any]:
    named = {name.replace("_fields", ".fields"): value for name, value in query.items()}
    return selection(named).message(DATA, INCLUDES, [])


def test_the_default_is_id_text_and_edit_history() -> None:
    assert sent() == {
        "data": {"edit_history_tweet_ids": ["0", "1"], "id": "1", "text": "hi"},
        "matching_rules": [],
    }


def test_a_field_that_the_tweet_does_not_have_is_left_out() -> None:
    assert set(sent(tweet_fields="lang,withheld")["data"]) == {"edit_history_tweet_ids", "id", "text", "lang"}


@pytest.mark.parametrize(
    ("expansion", "field", "kind", "ids"),
    [
        ("author_id", "author_id", "users", ["7"]),
        ("in_reply_to_user_id", "in_reply_to_user_id", "users", ["8"]),
        ("entities.mentions.username", "entities", "users", ["9"]),
        ("geo.place_id", "geo", "places", ["p"]),
        ("referenced_tweets.id", "referenced_tweets", "tweets", ["2"]),
        ("edit_history_tweet_ids", "edit_history_tweet_ids", "tweets", ["0"]),
        ("attachments.poll_ids", "attachments", "polls", ["4"]),
    ],
)
def test_an_expansion_brings_its_objects_and_the_field_that_refers_to_them(
    expansion: str, field: str, kind: str, ids: list[str]
) -> None:
    message = sent(expansions=expansion)
    assert field in message["data"]
    assert {name: [item["id"] for item in items] for name, items in message["includes"].items()} == {
        kind: ids
    }


def test_the_author_of_a_referenced_tweet_comes_with_that_tweet() -> None:
    includes = sent(expansions="referenced_tweets.id.author_id", tweet_fields="author_id")["includes"]
    assert includes == {
        "users": [{"id": "6", "name": "Di", "username": "di"}],
        "tweets": [{"author_id": "6", "id": "2", "text": "quoted"}],
    }


def test_expanded_objects_have_their_defaults_and_what_was_asked_for() -> None:
    includes = sent(
        expansions="author_id,geo.place_id,attachments.media_keys",
        user_fields="verified",
        place_fields="country_code",
        media_fields="url",
    )["includes"]
    assert includes == {
        "users": [{"id": "7", "name": "Ada", "username": "ada", "verified": True}],
        "places": [{"country_code": "CA", "full_name": "Town, CA", "id": "p"}],
        "media": [{"media_key": "3_1", "type": "photo", "url": "u"}],
    }


@pytest.mark.parametrize(
    "name", ["tweet.fields", "user.fields", "place.fields", "media.fields", "poll.fields", "expansions"]
)
def test_a_value_that_x_does_not_know_is_named(name: str) -> None:
    with pytest.raises(BadParameterError) as caught:
        selection({name: "wings"})
    assert (caught.value.name, caught.value.value) == (name, "wings")
    assert caught.value.allowed
