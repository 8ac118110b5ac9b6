"""Posts that somebody else makes are played the moment they are put in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .served import STREAM, Served, messages, numbered, serving, truth, tweet, undelivered
from .test_command import ran

INGEST = "/ingest"


@pytest.fixture
def served(tmp_path: Path, file: Path) -> Iterator[Served]:
    with serving(tmp_path, "--ingest", "--truth", file) as running:
        running.add_rules("place_country:CA")
        yield running


def test_what_is_put_in_goes_to_the_streams_whose_rules_match_and_is_written_down(
    served: Served, file: Path
) -> None:
    with served.open("GET", STREAM) as answer:
        assert served.ask("POST", INGEST, [*numbered(3), tweet(3, country="GB")]) == (202, {"taken": 4})
        got = messages(answer, 3)
        assert served.ask("DELETE", INGEST) == (200, {"played": 4})
        served.wait_until_done()
    assert [message["data"]["text"] for message in got] == ["tweet 0", "tweet 1", "tweet 2"]
    assert [line["message"] for line in truth(file)] == got


def test_what_comes_while_nobody_is_connected_is_gone(served: Served, file: Path) -> None:
    served.ask("POST", INGEST, numbered(1))
    assert [line["cause"] for line in undelivered(file)] == ["no stream"]


def test_it_plays_until_its_end_is_told_and_takes_nothing_after(served: Served) -> None:
    assert served.status()["state"] == "playing"
    served.ask("DELETE", INGEST)
    served.wait_until_done()
    status, body = served.ask("POST", INGEST, numbered(1))
    assert (status, body["error"]) == (409, "DELETE /ingest has told the end: start replay anew")
    assert served.status()["played"] == 0


@pytest.mark.parametrize("body", ["no post", [{"data": {"id": "x", "text": ""}}], {"data": 1}, 7])
def test_what_is_no_post_is_refused_whole(served: Served, body: object) -> None:
    given = [*numbered(1), *body] if isinstance(body, list) else body
    status, answer = served.ask("POST", INGEST, given)
    assert status == 400
    assert str(answer["error"]).startswith("the body holds no posts (")
    assert served.status()["played"] == 0


def test_nobody_puts_anything_in_where_another_source_plays(held: Served) -> None:
    assert held.ask("POST", INGEST, numbered(1))[0] == 404


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ingest", "--generate"], "give exactly one"),
        (["--ingest", "--hold"], "play.hold"),
        (["--ingest", "--address", "0.0.0.0"], "on a loopback address only"),  # noqa: S104 - it is refused
    ],
)
def test_it_stands_alone_without_hold_on_loopback(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = ran("serve", "--port", "0", "--token-file", tmp_path / "token", *arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    assert says in result.stderr
