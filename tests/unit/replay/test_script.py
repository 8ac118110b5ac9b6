"""A script arms faults while the source plays, at the same message every time."""

import json
from pathlib import Path

import pytest

from .served import FAULTS, STREAM, messages, numbered, rest, serving, stored, texts, undelivered
from .test_command import ran

COUNT = 60
ALL = [f"tweet {n}" for n in range(COUNT)]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    return file


def test_a_fault_befalls_the_stream_at_the_message_that_the_script_names(tmp_path: Path) -> None:
    script = written(
        tmp_path,
        """
        [[fault]]
        at_message = 10
        fault = "cut"

        [[fault]]
        at_message = 25
        fault = "no_tag"

        [[fault]]
        at_message = 40
        fault = "disconnect"
        """,
    )
    tweets = stored(tmp_path / "tweets.json", *numbered(COUNT))
    arguments = ["--tweets", tweets, "--rate", "100", "--hold", "--script", script, "--control"]
    with serving(tmp_path, *arguments) as served:
        served.add_rules("place_country:CA")
        first, how_first = rest(served.open("GET", STREAM))
        second, how_second = rest(served.open("GET", STREAM))
        with served.open("GET", STREAM) as answer:
            third = [message["data"]["text"] for message in messages(answer, 20)]
        faults = served.ask("GET", FAULTS, who=None)[1]["faults"]
    assert (texts(first), how_first) == (ALL[:10], "reset")
    assert (texts(second), how_second) == (ALL[10:40], "closed")
    assert third == ALL[40:]
    tagless = [n for n, line in enumerate(second) if "tag" not in json.loads(line)["matching_rules"][0]]
    assert tagless == [15]
    assert [fault["state"] for fault in faults] == ["past"] * 3


def test_a_fault_comes_at_a_time_of_the_source_s_clock_between_the_same_two_messages(tmp_path: Path) -> None:
    script = written(tmp_path, '[[fault]]\nat_seconds = 0.255\nfault = "gap"\ncount = 5\n')
    tweets, file = stored(tmp_path / "tweets.json", *numbered(COUNT)), tmp_path / "truth"
    arguments = ["--tweets", tweets, "--rate", "100", "--hold", "--script", script, "--truth", file]
    with serving(tmp_path, *arguments) as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM) as answer:
            found = [message["data"]["text"] for message in messages(answer, COUNT - 5)]
    assert found == ALL[:26] + ALL[31:]
    withheld = [line for line in undelivered(file) if line["cause"] == "gap"]
    assert [line["message"]["data"]["text"] for line in withheld] == ALL[26:31]


def test_a_fault_comes_though_the_source_has_ended(tmp_path: Path) -> None:
    script = written(tmp_path, '[[fault]]\nat_seconds = 1\nfault = "disconnect"\n')
    tweets = stored(tmp_path / "tweets.json", *numbered(3))
    with serving(tmp_path, "--tweets", tweets, "--speed", "0", "--hold", "--script", script) as served:
        served.add_rules("place_country:CA")
        found, how = rest(served.open("GET", STREAM))
    assert (texts(found), how) == (ALL[:3], "closed")


def test_a_fault_whose_message_never_came_is_told_at_the_end(tmp_path: Path) -> None:
    script = written(
        tmp_path, '[[fault]]\nat_message = 0\nfault = "cut"\n[[fault]]\nat_message = 4\nfault = "cut"\n'
    )
    tweets = stored(tmp_path / "tweets.json", *numbered(3))
    with serving(tmp_path, "--tweets", tweets, "--speed", "0", "--script", script) as served:
        served.wait(lambda status: status["state"] == "done", "the source has ended")
    (warning,) = [line for line in (tmp_path / "log").read_text().splitlines() if "never armed" in line]
    assert json.loads(warning)["entries"] == [2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must hold [[fault]] entries"),
        ("fault = 3", "must hold [[fault]] entries"),
        ("[[fault]]\nfault = 'cut'\nat_message = 1\n[faults]\n", "must hold [[fault]] entries"),
        ("[[fault]\n", "is not TOML"),
        ("[[fault]]\nfault = 'cut'\n", "fault 1: give exactly one of at_message and at_seconds"),
        (
            "[[fault]]\nfault = 'cut'\nat_message = 1\nat_seconds = 1\n",
            "fault 1: give exactly one of at_message and at_seconds",
        ),
        (
            "[[fault]]\nfault = 'cut'\nat_message = 1\n[[fault]]\nfault = 'cut'\nat_message = -1\n",
            "fault 2: at_message = -1 cannot be",
        ),
        ("[[fault]]\nfault = 'cut'\nat_message = 1.5\n", "fault 1: at_message = 1.5 cannot be"),
        ("[[fault]]\nfault = 'cut'\nat_seconds = nan\n", "fault 1: at_seconds = nan cannot be"),
        ("[[fault]]\nfault = 'stall'\nat_message = 1\n", "fault 1: seconds is not set: stall needs it"),
        ("[[fault]]\nfault = 'flood'\nat_message = 1\n", "fault 1: fault = 'flood' is not known"),
        (
            "[[fault]]\nfault = 'cut'\nat_message = 1\ntoken = '00000000'\n",
            "fault 1: token = '00000000' of cut",
        ),
    ],
)
def test_an_error_in_a_script_stops_the_start_and_names_entry_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    script = written(tmp_path, text)
    result = ran("serve", "--generate", "--script", script, "--token-file", tmp_path / "token", "--port", "0")
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert str(script) in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_script_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    script, token = tmp_path / "none.toml", tmp_path / "token"
    result = ran("serve", "--generate", "--script", script, "--token-file", token, "--port", "0")
    assert result.exit_code == 2
    assert f"control.script {script} cannot be read" in result.stderr
