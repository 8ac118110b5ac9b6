"""A journal written out as the events that Kafka got."""

import json
from pathlib import Path
from typing import Any

import click.testing
import pytest
from kafka.errors import KafkaError

from citypulse import places
from citypulse.producer.cli import main
from citypulse.producer.journal import segment
from citypulse.producer.journal.tools import events
from citypulse.producer.journal.writer import Writer

AT = 1_769_860_800_000
CONFIG = """
name = "main"
run = "demo"
[[feeds]]
name = "all"
countries = ["CA"]
[[feeds]]
name = "vote"
countries = ["CA"]
query = "election"
topic = "tweets.vote"
[journal]
dir = "{}"
"""


MONTREAL = places.Place(
    *("36775d842cbec509", "CA:36775d842cbec509", "CA", "city", "Montréal", "Montréal, Québec", 45.5, -73.6, 1)
)


def message(number: int, *feeds: str) -> bytes:
    place = {"id": MONTREAL.id, "full_name": "Montréal, Québec", "place_type": "city"}
    if number == 4:
        place = {"id": "07d9d1d2d3d4d5d6", "full_name": "Plateau, Montréal", "place_type": "neighborhood"}
    post = (AT + number - 1288834974657) << 22
    return json.dumps(
        {
            "data": {"id": str(post), "author_id": "7", "text": "words", "geo": {"place_id": place["id"]}},
            "includes": {"places": [place]},
            "matching_rules": [{"id": "1", "tag": f"citypulse/main/{feed}/1"} for feed in feeds],
        }
    ).encode()


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(events.cities, "stored", lambda *_: [MONTREAL])
    (tmp_path / "producer.toml").write_text(CONFIG.format(tmp_path / "journal"))
    writer = Writer(tmp_path / "journal", 1500)
    for number in range(6):
        writer.append([(AT + number, message(number, "all", "vote") if number else b"no post")])
    writer.close()
    return tmp_path


def export(directory: Path, *arguments: str, code: int = 0) -> tuple[list[Any], str]:
    out = directory / "out"
    out.unlink(missing_ok=True)
    options = ("--events", "--config", str(directory / "producer.toml"), "--out", str(out), *arguments)
    result = click.testing.CliRunner().invoke(main, ["journal", "export", *options], catch_exceptions=False)
    assert result.exit_code == code, result.output
    lines = out.read_text().splitlines() if out.exists() else []
    return [json.loads(line) for line in lines], result.stderr


def test_each_topic_of_a_message_gets_its_event_without_the_text(directory: Path) -> None:
    lines, said = export(directory)
    assert [line["topic"] for line in lines[1:3]] == ["demo.tweets", "demo.tweets.vote"]
    assert [line["event"]["feeds"] for line in lines[1:3]] == [["all"], ["vote"]]
    assert lines[1]["event"]["city"] == "CA:36775d842cbec509"
    assert "words" not in json.dumps(lines)
    assert len(lines) == 1 + 2 * 5
    assert said == "10 exported, 0 stretches are unsound, 1 records are no event\n"


def test_the_first_line_says_which_time_it_holds(directory: Path) -> None:
    """A journal of which nothing was ever deleted lacks nothing from before."""
    head = export(directory)[0][0]
    assert (head["journal"], head["producer"], head["since"]) == (1, "main", 0)
    assert head["until"] > AT
    segment.paths(directory / "journal")[0][1].unlink()
    after = export(directory)[0]
    assert after[0]["since"] == after[1]["event"]["received"] > AT


def test_only_what_was_received_in_a_span_is_given(directory: Path) -> None:
    span = ("--from", "2026-01-31T12:00:00.002Z", "--to", "2026-01-31T12:00:00.004Z")
    lines, _ = export(directory, *span)
    assert (lines[0]["since"], lines[0]["until"]) == (AT + 2, AT + 4)
    assert [line["event"]["received"] - AT for line in lines[1:]] == [2, 2, 3, 3]


@pytest.mark.parametrize("other", [("--with-meta",), ("--from", "3"), ("--to", "3")])
def test_what_does_not_go_with_it_is_refused(directory: Path, other: tuple[str, ...]) -> None:
    assert "--events goes with times alone" in export(directory, *other, code=2)[1]


def test_places_are_resolved_with_the_cities_that_the_run_knows(directory: Path) -> None:
    lines, _ = export(directory)
    assert [line["event"]["city"] for line in lines[1:]] == ["CA:36775d842cbec509"] * 10


def test_brokers_that_do_not_answer_are_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stored(*_: object) -> None:
        raise KafkaError

    monkeypatch.setattr(events.cities, "stored", stored)
    assert "kafka.bootstrap_servers: the topic of places cannot be read" in export(directory, code=1)[1]


def test_a_retweet_is_where_its_original_is_also_if_that_came_before_the_span(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYPULSE_PRODUCER_RETWEETS_ENABLED", "true")
    original = (AT + 1 - 1288834974657) << 22
    retweet = {
        "data": {
            "id": str(original + 1),
            "author_id": "8",
            "text": "RT words",
            "referenced_tweets": [{"type": "retweeted", "id": str(original)}],
        },
        "matching_rules": [{"id": "2", "tag": "citypulse/main/+retweets/1"}],
    }
    writer = Writer(directory / "journal", 1500)
    writer.append([(AT + 100, json.dumps(retweet).encode())])
    writer.close()
    lines, _ = export(directory, "--from", "2026-01-31T12:00:00.050Z")
    assert [(line["topic"], line["event"]["feeds"]) for line in lines[1:]] == [
        ("demo.tweets", ["all"]),
        ("demo.tweets.vote", ["vote"]),
    ]
    assert {line["event"]["city"] for line in lines[1:]} == {"CA:36775d842cbec509"}
