"""Stored tweets, in every form, become messages of the stream; what is no tweet is counted and named."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citypulse.events.messages import BadFileError, Report, load, read
from tests.outside import outside

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TWEET = {"id": "1574236253620420608", "text": "hello", "author_id": "7", "geo": {"place_id": "p1"}}
PLACES = [{"id": "p1", "full_name": "Toronto, Ontario"}, {"id": "p2", "full_name": "London, England"}]
STREAM = {"data": TWEET, "includes": {"places": PLACES[:1]}, "matching_rules": [{"id": "9", "tag": ""}]}


def lines(path: Path, *values: object) -> Path:
    path.write_text(
        "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values), encoding="utf-8"
    )
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tweets.json"


def test_a_stream_message_keeps_its_includes_and_its_rules(file: Path) -> None:
    messages, report = load(lines(file, STREAM))
    assert [m.data for m in messages] == [TWEET]
    assert messages[0].includes == STREAM["includes"]
    assert messages[0].matching_rules == [{"id": "9", "tag": ""}]
    assert (report.lines, report.tweets, report.bad_lines) == (1, 1, 0)


def test_a_page_gives_each_tweet_only_what_it_references(file: Path) -> None:
    reply = {
        "id": "3",
        "text": "@b yes",
        "author_id": "8",
        "referenced_tweets": [{"type": "replied_to", "id": "2"}],
    }
    page = {
        "data": [TWEET, reply],
        "includes": {
            "places": PLACES,
            "users": [
                {"id": "7", "username": "a"},
                {"id": "8", "username": "b"},
                {"id": "9", "username": "c"},
            ],
            "tweets": [{"id": "2", "text": "?", "author_id": "9"}],
        },
        "meta": {"result_count": 2},
    }
    (first, second), _ = load(lines(file, page))
    assert first.includes == {"places": PLACES[:1], "users": [{"id": "7", "username": "a"}]}
    assert [u["id"] for u in second.includes["users"]] == ["8", "9"]
    assert second.includes["tweets"] == [{"id": "2", "text": "?", "author_id": "9"}]
    assert first.matching_rules is None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([STREAM, STREAM]),
        json.dumps([STREAM, STREAM], indent=2),
        json.dumps([TWEET, TWEET]),
        json.dumps({"data": [TWEET, TWEET]}, indent=1),
        json.dumps(json.dumps(STREAM)) + "\n\n\r\n" + json.dumps(json.dumps(STREAM)),
        json.dumps({"truth": 1, "source": "generator", "seed": 1})
        + "".join(
            "\n" + json.dumps({"at": 5, "stream": n, "token": "0a", "message": STREAM}) for n in (1, 2)
        ),
    ],
    ids=["list", "indented list", "bare tweets", "indented page", "encoded twice", "truth"],
)
def test_every_form_gives_the_same_tweets(file: Path, text: str) -> None:
    file.write_text(text)
    messages, report = load(file)
    assert [m.data for m in messages] == [TWEET, TWEET]
    assert report.bad_lines == 0


def test_bad_lines_are_counted_the_first_named_and_the_rest_goes_on(file: Path) -> None:
    messages, report = load(
        lines(file, STREAM, "{not json", {"data": {"text": "no id"}}, {"data": 5}, STREAM)
    )
    assert len(messages) == 2
    assert (report.lines, report.bad_lines, report.first_bad_line) == (5, 3, 2)
    assert report.first_bad.startswith("line 2: ")


def test_an_in_stream_error_is_neither_a_tweet_nor_bad(file: Path) -> None:
    _, report = load(lines(file, STREAM, {"errors": [{"title": "operational-disconnect"}]}))
    assert (report.tweets, report.without_tweet, report.bad_lines) == (1, 1, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("x\ny\n", "2 of its 2 lines"),
        ("{}", "no tweet"),
    ],
)
def test_a_file_without_tweets_is_one_sentence(file: Path, content: str | None, says: str) -> None:
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadFileError, match=says) as caught:
        load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_directory_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be read"):
        load(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "text",
                    "includes",
                    "matching_rules",
                    "users",
                    "geo",
                    "message",
                    "stream",
                    "truth",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@UNHURRIED
@given(st.lists(json_values, max_size=4))
def test_no_json_at_all_stops_the_reading(
    tmp_path_factory: pytest.TempPathFactory, values: list[object]
) -> None:
    file = lines(tmp_path_factory.mktemp("any") / "f", *values, json.dumps(STREAM))
    report = Report()
    messages = list(read(file, report))
    assert messages[-1].data == TWEET
    assert report.tweets == len(messages)


@UNHURRIED
@given(st.binary(max_size=60))
def test_no_bytes_at_all_stop_the_reading(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "f"
    file.write_bytes(junk.replace(b"\n", b" ") + b"\n" + json.dumps(STREAM).encode() + b"\n")
    assert list(read(file))[-1].data == TWEET


def test_the_doubly_encoded_seed_capture_is_read() -> None:
    messages, report = load(outside("seed-capture") / "tweets.json")
    assert (len(messages), report.bad_lines) == (74, 0)
    assert all(m.matching_rules == [{"id": "1574236216295301120", "tag": ""}] for m in messages)
    assert all(m.includes["places"][0]["id"] == m.data["geo"]["place_id"] for m in messages)


def test_real_pages_are_read_and_their_includes_belong_to_their_tweet() -> None:
    paths = sorted(outside("x-v2-pages").glob("*.jsonl"))
    assert paths
    for path in paths:
        messages, report = load(path)
        assert report.bad_lines == (1 if path.name == "streaming_output_with_error.jsonl" else 0), path.name
        for message in messages:
            referenced = {item["id"] for item in message.data.get("referenced_tweets", ())}
            history = set(message.data.get("edit_history_tweet_ids", ()))
            assert {tweet["id"] for tweet in message.includes.get("tweets", ())} <= referenced | history
            assert len(message.includes.get("places", ())) <= 1


def test_the_truncated_line_of_a_real_capture_is_named() -> None:
    _, report = load(outside("x-v2-pages") / "streaming_output_with_error.jsonl")
    assert report.first_bad_line == 8
