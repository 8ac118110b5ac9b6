"""A stream with backfill_minutes begins with what was played in those minutes, delivered or not."""

from pathlib import Path

import pytest

from .served import STREAM, messages, numbered, serving, stored, truth, undelivered

COUNT = 60
ALL = [f"tweet {n}" for n in range(COUNT)]


def said(lines: list[dict[str, object]]) -> list[str]:
    return [line["message"]["data"]["text"] for line in lines]  # type: ignore[index]


def test_what_was_missed_comes_first_and_once_more_what_was_not(tmp_path: Path) -> None:
    script, file = tmp_path / "faults.toml", tmp_path / "truth"
    script.write_text(
        '[[fault]]\nat_message = 10\nfault = "gap"\ncount = 5\n[[fault]]\nat_message = 30\nfault = "cut"\n'
    )
    arguments = ["--tweets", stored(tmp_path / "tweets.json", *numbered(COUNT)), "--rate", "100", "--hold"]
    with serving(tmp_path, *arguments, "--script", script, "--truth", file, "--backfill") as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM) as answer:
            first = [message["data"]["text"] for message in messages(answer, 25)]
        served.wait(lambda status: not status["streams"], "the stream is cut")
        with served.open("GET", STREAM + "?backfill_minutes=2") as answer:
            second = [message["data"]["text"] for message in messages(answer, 60)]
            served.wait(lambda status: status["state"] == "done", "the source has ended")
    assert first == ALL[:10] + ALL[15:30]
    assert second == ALL
    lines = truth(file)
    assert said([line for line in lines if line.get("by") == "backfill"]) == ALL[:30]
    assert said([line for line in lines if "by" not in line]) == ALL[:10] + ALL[15:]
    assert said([line for line in undelivered(file) if line["cause"] == "gap"]) == ALL[10:15]


def test_only_posts_of_those_minutes_that_the_rules_match_now_come(tmp_path: Path) -> None:
    config = tmp_path / "replay.toml"
    config.write_text("[account]\nbackfill = true\nhistory_seconds = 1\n")
    arguments = ["--tweets", stored(tmp_path / "tweets.json", *numbered(COUNT)), "--rate", "20"]
    with serving(tmp_path, "--config", config, *arguments) as served:
        served.add_rules('place_country:CA -"tweet 59"')
        served.wait(lambda status: status["state"] == "done", "the source has ended")
        with served.open("GET", STREAM + "?backfill_minutes=1") as answer:
            found = [message["data"]["text"] for message in messages(answer, 5)]
    # As much is there as the history holds: the last second, at 20 a second.
    numbers = [int(text.split()[1]) for text in found]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert 30 <= numbers[0] < 59


def test_a_backfill_that_breaks_off_is_no_miss_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "truth"
    arguments = ["--generate", "--countries", "CA", "--retweets", "0", "--count", "5000", "--rate", "5000"]
    with serving(tmp_path, *arguments, "--truth", file, "--backfill") as served:
        served.add_rules("place_country:CA")
        served.wait(lambda status: status["state"] == "done", "the source has ended")
        before = undelivered(file)
        with served.open("GET", STREAM + "?backfill_minutes=5") as answer:
            messages(answer, 1000)
        served.wait(lambda status: not status["streams"], "the stream is gone")
    assert {line["by"] for line in truth(file)} == {"backfill"}
    assert len(truth(file)) >= 1000
    # What came again and perhaps did not arrive is in doubt, as it is with any delivery.
    after = undelivered(file)[len(before) :]
    assert all((line["cause"], line["by"]) == ("in doubt", "backfill") for line in after)


@pytest.mark.parametrize("minutes", ["6", "-1", "soon", "1.5", ""])
def test_other_minutes_than_0_to_5_are_400(tmp_path: Path, minutes: str) -> None:
    tweets = stored(tmp_path / "tweets.json", *numbered(1))
    with serving(tmp_path, "--tweets", tweets, "--hold", "--backfill") as served:
        served.add_rules("place_country:CA")
        status, body = served.ask("GET", f"{STREAM}?backfill_minutes={minutes}")
    assert (status, body["title"]) == (400, "Invalid Request")
    assert "is not between 0 and 5" in body["errors"][0]["message"]


def test_an_account_without_backfill_is_400(tmp_path: Path) -> None:
    tweets = stored(tmp_path / "tweets.json", *numbered(1))
    with serving(tmp_path, "--tweets", tweets, "--hold", "--search") as served:
        served.add_rules("place_country:CA")
        status, body = served.ask("GET", STREAM + "?backfill_minutes=1")
        assert (status, body["title"]) == (400, "Invalid Request")
        assert body["errors"][0]["parameters"] == {"backfill_minutes": ["1"]}
        with served.open("GET", STREAM + "?backfill_minutes=0") as answer:
            assert len(messages(answer, 1)) == 1
