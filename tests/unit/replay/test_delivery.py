"""What is sent, when, to whom: pace, hold, and the truth that is written of it."""

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from citypulse.events.messages import Message
from citypulse.replay.delivery import Delivery
from citypulse.replay.pace import Due, Pace
from citypulse.replay.rulebook import Limits, Rulebook
from citypulse.replay.truth import Truth

from .served import STREAM, messages, serving, stored, tweet


class FakeStream:
    """A connection that takes nothing, as its token has no rules."""

    number, token, queued_bytes, ended = 1, "t", 0, False
    rulebook = Rulebook(Limits())

    def unsent(self) -> list[bytes]:
        return []

    def wake(self) -> None:
        pass


def truth(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def hundred(tmp_path: Path) -> Path:
    pages = [tweet(n, created=f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}.000Z") for n in range(100)]
    return stored(tmp_path / "tweets.json", *pages)


def test_with_hold_nothing_is_lost_over_a_reconnect(tmp_path: Path) -> None:
    with serving(
        tmp_path, "--tweets", hundred(tmp_path), "--rate", "100", "--hold", "--truth", tmp_path / "truth"
    ) as served:
        served.add_rules("place_country:CA")
        time.sleep(0.3)
        assert served.status()["state"] == "waiting"
        with served.open("GET", STREAM) as answer:
            first = messages(answer, 10)
        served.wait(lambda status: status["state"] == "waiting", "the source waits again")
        sent = served.status()["sent"]
        time.sleep(0.3)
        assert served.status()["sent"] == sent
        with served.open("GET", STREAM) as answer:
            rest = messages(answer, 100 - sent)
            done = served.wait(lambda status: status["state"] == "done", "the source has ended")
    texts = [message["data"]["text"] for message in first + rest]
    assert texts[:10] == [f"tweet {n}" for n in range(10)]
    assert texts[10:] == [f"tweet {n}" for n in range(sent, 100)]
    assert (done["sent"], done["undelivered"]) == (100, 0)


def test_a_stream_that_is_back_at_once_does_not_leave_the_clock_standing() -> None:
    """Gone and back while the player sleeps between two messages: it never saw itself held."""

    async def play() -> str:
        source = [Due(0.0, Message({"id": "1"})), Due(0.1, Message({"id": "2"}))]
        delivery = Delivery(
            lambda start_ms: iter(source),
            Pace(rate=10),
            Truth(None, b""),
            Limits(),
            hold_streams=1,
            buffer_bytes=1,
        )
        gone, back = FakeStream(), FakeStream()
        delivery.connect(gone)  # type: ignore[arg-type]
        playing = asyncio.create_task(delivery.play())
        while delivery.played < 1:
            await asyncio.sleep(0)
        delivery.disconnect(gone)  # type: ignore[arg-type]
        delivery.connect(back)  # type: ignore[arg-type]
        await asyncio.wait_for(playing, 60)
        return delivery.state

    assert asyncio.run(play()) == "done"


def test_what_a_killed_client_had_received_is_not_in_doubt(tmp_path: Path) -> None:
    file = tmp_path / "truth"
    with serving(
        tmp_path, "--tweets", hundred(tmp_path), "--rate", "200", "--hold", "--truth", file
    ) as served:
        served.add_rules("place_country:CA")
        answer = served.open("GET", STREAM)
        messages(answer, 100)
        # Longer than it takes replay to look whether the client's kernel has acknowledged.
        time.sleep(1)
        answer.close()
        served.wait(lambda status: not status["streams"], "the stream is gone")
    assert len(truth(file)) == 101
    assert truth(file.with_name("truth.undelivered")) == []


def test_hold_waits_for_as_many_streams_as_it_was_told(tmp_path: Path) -> None:
    file = stored(tmp_path / "tweets.json", tweet(1))
    with serving(
        tmp_path, "--tweets", file, "--hold", "--hold-streams", "2", tokens=["one", "two"]
    ) as served:
        for token in served.tokens:
            served.add_rules("place_country:CA", who=token)
        first = served.open("GET", STREAM, who="one")
        served.wait(lambda status: len(status["streams"]) == 1, "the first stream is connected")
        time.sleep(0.3)
        assert (served.status()["state"], served.status()["sent"]) == ("waiting", 0)
        second = served.open("GET", STREAM, who="two")
        assert messages(first, 1)[0]["data"] == messages(second, 1)[0]["data"]
        first.close()
        second.close()


def test_the_truth_holds_every_delivery_before_it_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "truth"
    with serving(
        tmp_path, "--tweets", hundred(tmp_path), "--rate", "400", "--hold", "--truth", file
    ) as served:
        served.add_rules("place_country:CA")
        began = int(time.time() * 1000)
        with served.open("GET", STREAM) as answer:
            while served.status()["state"] != "done":
                counted = served.status()["sent"]
                assert len(truth(file)) - 1 >= counted
            received = messages(answer, 100)
        header, *deliveries = truth(file)
        ended = int(time.time() * 1000)
    assert header == {"truth": 1, "source": str(tmp_path / "tweets.json"), "seed": None}
    assert [line["message"] for line in deliveries] == received
    assert {(line["stream"], line["token"]) for line in deliveries} == {
        (1, hashlib.sha256(b"first-token").hexdigest()[:8])
    }
    assert all(began <= line["at"] <= ended for line in deliveries)


def test_without_hold_what_comes_while_nobody_is_connected_is_recorded_as_not_delivered(
    tmp_path: Path,
) -> None:
    file = tmp_path / "truth"
    with serving(tmp_path, "--tweets", hundred(tmp_path), "--rate", "50", "--truth", file) as served:
        served.add_rules("place_country:CA")
        status = served.wait(lambda status: status["state"] == "done", "the source has ended")
    missed = truth(file.with_name("truth.undelivered"))
    assert len(truth(file)) == 1
    assert status["sent"] == 0
    assert status["undelivered"] == len(missed) > 0
    assert {(line["stream"], line["cause"]) for line in missed} == {(None, "no stream")}
    assert missed[-1]["message"]["data"]["text"] == "tweet 99"


def test_messages_that_x_matched_before_go_to_any_stream_under_its_own_rules(tmp_path: Path) -> None:
    capture = {"data": {"id": "5", "text": "no place at all"}, "matching_rules": [{"id": "1", "tag": None}]}
    with serving(tmp_path, "--tweets", stored(tmp_path / "capture.json", capture), "--hold") as served:
        rules = served.add_rules("place_country:CA", "hockey")
        with served.open("GET", STREAM) as answer:
            (message,) = messages(answer, 1)
    assert message["matching_rules"] == [{"id": rule["id"], "tag": rule["tag"]} for rule in rules]


def test_a_rate_is_kept_open_loop(tmp_path: Path) -> None:
    arguments = [
        "--generate",
        "--rate",
        "500",
        "--count",
        "1500",
        "--countries",
        "CA",
        "--cities",
        "5",
        "--hold",
    ]
    with serving(tmp_path, *arguments) as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM):
            status = served.wait(lambda status: status["state"] == "done", "the source has ended")
    seconds = (status["last_at"] - status["first_at"]) / 1000
    # 1,500 messages at 500 a second; a busy machine may end late, but never early.
    assert 2.9 <= seconds <= 30
    assert status["played"] == 1500


def test_event_times_are_kept_at_the_speed_that_was_asked(tmp_path: Path) -> None:
    with serving(tmp_path, "--tweets", hundred(tmp_path), "--speed", "50", "--hold") as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM):
            status = served.wait(lambda status: status["state"] == "done", "the source has ended")
    assert 1.9 <= (status["last_at"] - status["first_at"]) / 1000 <= 30


def test_a_client_that_does_not_read_is_disconnected_and_what_it_missed_is_recorded(tmp_path: Path) -> None:
    config, file = tmp_path / "replay.toml", tmp_path / "truth"
    config.write_text("[stream]\nbuffer_bytes = 200000\n")
    arguments = ["--config", config, "--generate", "--rate", "20000", "--countries", "CA", "--truth", file]
    with serving(tmp_path, *arguments, tokens=["slow", "quick"]) as served:
        served.add_rules("place_country:CA", who="slow")
        slow = served.open("GET", STREAM, who="slow")
        served.wait(lambda status: not status["streams"], "the slow client is disconnected")
        slow.close()
    deliveries = truth(file)[1:]
    causes = [line["cause"] for line in truth(file.with_name("truth.undelivered"))]
    assert deliveries
    assert "unsent" in causes
    assert "in doubt" in causes


@pytest.mark.parametrize("order", ["created", "file"])
def test_a_file_is_played_by_creation_time_or_as_it_stands(tmp_path: Path, order: str) -> None:
    times = ["2026-01-01T00:00:03.000Z", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"]
    file = stored(tmp_path / "t.json", *(tweet(n, created=at) for n, at in enumerate(times)))
    with serving(tmp_path, "--tweets", file, "--order", order, "--speed", "0", "--hold") as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM) as answer:
            played = [message["data"]["text"][-1] for message in messages(answer, 3)]
    assert "".join(played) == {"created": "120", "file": "012"}[order]


def test_shifted_tweets_happen_now(tmp_path: Path) -> None:
    with serving(
        tmp_path, "--tweets", hundred(tmp_path), "--speed", "0", "--shift", "now", "--hold"
    ) as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM + "?tweet.fields=created_at") as answer:
            last = messages(answer, 100)[-1]["data"]
    moved = time.mktime(time.strptime(last["created_at"], "%Y-%m-%dT%H:%M:%S.000Z")) - time.timezone
    assert -60 < moved - time.time() <= 0
    assert served.process.returncode == 0


def test_a_truth_that_cannot_be_written_stops_the_sending(tmp_path: Path) -> None:
    arguments = ["--generate", "--rate", "500", "--countries", "CA", "--truth", tmp_path / "truth"]
    with serving(tmp_path, *arguments, under=("prlimit", "--fsize=30000"), exit_code=4) as served:
        served.add_rules("place_country:CA")
        with served.open("GET", STREAM):
            served.process.wait(60)
    assert "truth cannot grow" in (tmp_path / "log").read_text()
    assert (tmp_path / "truth").stat().st_size <= 30_000
