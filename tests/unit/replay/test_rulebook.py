"""Rules are added, listed and deleted as X's rules endpoint does."""

from typing import Any

from citypulse.replay.rulebook import Limits, Rulebook

Json = dict[str, Any]


def add(book: Rulebook, *values: str, dry_run: bool = False) -> Json:
    return book.add([{"value": value, "tag": None} for value in values], dry_run=dry_run)[1]


def summary(body: Json) -> tuple[int, ...]:
    return tuple(body["meta"]["summary"].values())


def test_a_rule_is_created_with_an_id_and_listed_with_its_tag() -> None:
    book = Rulebook(Limits())
    status, body = book.add([{"value": " cat ", "tag": "pets"}, {"value": "dog", "tag": None}], dry_run=False)
    assert status == 201
    assert [(rule["value"], rule.get("tag")) for rule in body["data"]] == [("cat", "pets"), ("dog", None)]
    assert body["meta"]["summary"] == {"created": 2, "not_created": 0, "valid": 2, "invalid": 0}
    listing = book.listing()
    assert listing["data"] == body["data"]
    assert listing["meta"]["result_count"] == 2
    assert book.listing([body["data"][1]["id"]])["data"] == body["data"][1:]


def test_without_rules_the_listing_has_no_data() -> None:
    listing = Rulebook(Limits()).listing()
    assert "data" not in listing
    assert listing["meta"]["result_count"] == 0


def test_a_duplicate_is_refused_under_the_id_of_the_first() -> None:
    book = Rulebook(Limits())
    first = add(book, "cat")["data"][0]["id"]
    body = add(book, "cat", "dog", "dog")
    assert summary(body) == (1, 2, 1, 2)
    assert body["errors"][0] == {
        "value": "cat",
        "id": first,
        "title": "DuplicateRule",
        "type": "https://api.twitter.com/2/problems/duplicate-rules",
    }
    assert [rule.value for rule in book.all()] == ["cat", "dog"]


def test_an_invalid_rule_is_refused_with_x_s_reason_and_the_others_are_created() -> None:
    book = Rulebook(Limits())
    body = add(book, "lang:en", "cat")
    assert summary(body) == (1, 1, 1, 1)
    assert body["errors"] == [
        {
            "value": "lang:en",
            "details": ["is/has/lang cannot be used as a standalone operator (at position 1)"],
            "title": "UnprocessableEntity",
            "type": "https://api.twitter.com/2/problems/invalid-rules",
        }
    ]


def test_a_dry_run_changes_nothing() -> None:
    book = Rulebook(Limits())
    assert summary(add(book, "cat", "lang:en", dry_run=True)) == (1, 1, 1, 1)
    assert len(book) == 0
    kept = add(book, "cat")["data"][0]["id"]
    assert summary(book.delete("ids", [kept], dry_run=True)[1]) == (1, 0)
    assert len(book) == 1


def test_rules_are_deleted_by_id_and_by_value() -> None:
    book = Rulebook(Limits())
    cat, dog = (rule["id"] for rule in add(book, "cat", "dog")["data"])
    status, body = book.delete("ids", [cat, "1"], dry_run=False)
    assert (status, summary(body)) == (200, (1, 1))
    assert body["errors"][0]["errors"] == [{"message": "Rule does not exist", "parameters": {"ids": ["1"]}}]
    assert summary(book.delete("values", ["dog"], dry_run=False)[1]) == (1, 0)
    assert len(book) == 0
    assert dog != cat


def test_over_the_number_of_rules_none_of_the_request_is_created() -> None:
    book = Rulebook(Limits(rules=2))
    add(book, "cat")
    body = add(book, "dog", "cow")
    assert summary(body) == (0, 2, 2, 0)
    assert body["errors"][0]["type"].endswith("/rule-cap")
    assert len(book) == 1
    assert summary(add(book, "dog")) == (1, 0, 1, 0)


def test_x_s_own_limits_are_the_default() -> None:
    book = Rulebook(Limits())
    assert summary(add(book, *(f"word{n}" for n in range(1000)))) == (1000, 0, 1000, 0)
    assert summary(add(book, "more")) == (0, 1, 1, 0)


def test_a_rule_of_1024_characters_is_the_longest() -> None:
    book = Rulebook(Limits())
    assert summary(add(book, "a" * 1024)) == (1, 0, 1, 0)
    body = add(book, "b" * 1025)
    assert summary(body) == (0, 1, 0, 1)
    assert "1024 characters" in body["errors"][0]["details"][0]


def test_the_next_tweet_meets_changed_rules() -> None:
    book = Rulebook(Limits())
    cat = add(book, "cat")["data"][0]["id"]
    tweet = {"id": "1", "text": "cat dog"}
    assert [rule.value for rule in book.match(tweet, {})] == ["cat"]
    add(book, "dog")
    assert [rule.value for rule in book.match(tweet, {})] == ["cat", "dog"]
    book.delete("ids", [cat], dry_run=False)
    assert [rule.matched() for rule in book.match(tweet, {})] == [{"id": book.all()[0].id, "tag": ""}]
