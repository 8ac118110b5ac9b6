"""Each fault that happens to a stream as a client sees it, and what the truth says of it."""

import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from .served import (
    STREAM,
    Served,
    messages,
    numbered,
    rest,
    said,
    serving,
    stored,
    texts,
    truth,
    undelivered,
)

COUNT = 20
ALL = [f"tweet {n}" for n in range(COUNT)]


class TestDisconnections:
    def test_a_disconnect_is_a_clean_close_after_exactly_so_many_messages(
        self, held: Served, file: Path
    ) -> None:
        number = held.arm("disconnect", after_messages=7)
        found, how = rest(held.open("GET", STREAM))
        assert (texts(found), how) == (ALL[:7], "closed")
        with held.open("GET", STREAM) as answer:
            assert [m["data"]["text"] for m in messages(answer, 13)] == ALL[7:]
        held.wait_until_done()
        assert said(truth(file)) == ALL
        fault = held.fault(number)
        assert (fault["state"], fault["befell"]) == ("past", 1)

    def test_a_disconnect_can_happen_again_and_again(self, held: Served) -> None:
        number = held.arm("disconnect", after_messages=4, every=5, count=3)
        sizes = [len(rest(held.open("GET", STREAM))[0]) for _ in range(3)]
        assert sizes == [4, 5, 5]
        assert held.wait_until_past(number)["befell"] == 3
        with held.open("GET", STREAM) as answer:
            assert [m["data"]["text"] for m in messages(answer, 6)] == ALL[14:]

    def test_a_cut_is_a_reset_of_the_connection_which_loses_nothing_that_was_sent(
        self, held: Served, file: Path
    ) -> None:
        held.arm("cut", after_messages=7)
        found, how = rest(held.open("GET", STREAM))
        assert (texts(found), how) == (ALL[:7], "reset")
        held.wait(lambda status: not status["streams"], "the stream is gone")
        assert undelivered(file) == []

    def test_a_disconnect_befalls_a_stream_that_is_silent(self, held: Served) -> None:
        answer = held.open("GET", STREAM)
        messages(answer, COUNT)
        held.arm("disconnect")
        assert rest(answer) == ([], "closed")

    @pytest.mark.parametrize(("clean", "ends"), [(False, "reset"), (True, "closed")])
    @pytest.mark.parametrize("encoding", ["identity", "gzip"])
    def test_a_cut_in_mid_line_leaves_half_a_message_which_comes_whole_next_time(
        self, held: Served, clean: bool, ends: str, encoding: str
    ) -> None:
        held.arm("cut_mid_line", after_messages=3, clean=clean)
        answer = held.open("GET", STREAM, **{"Accept-Encoding": encoding})
        raw, how = b"", "closed"
        try:
            while part := answer.read1(65536):
                raw += part
        except ConnectionResetError:
            how = "reset"
        text = raw if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(raw)
        *whole, half = text.split(b"\r\n")
        assert how == ends
        assert texts([line for line in whole if line]) == ALL[:3]
        with held.open("GET", STREAM) as again:
            first = next(iter(again)).removesuffix(b"\r\n")
        assert half == first[: len(first) // 2]
        assert texts([first]) == ALL[3:4]

    def test_without_hold_what_a_cut_stream_had_waiting_is_unsent(self, tmp_path: Path, file: Path) -> None:
        tweets = stored(tmp_path / "tweets.json", *numbered(100))
        with serving(tmp_path, "--tweets", tweets, "--speed", "50", "--truth", file, "--control") as served:
            served.add_rules("place_country:CA")
            answer = served.open("GET", STREAM)
            messages(answer, 3)
            served.arm("stall", seconds=60)
            served.wait(lambda status: status["streams"][0]["queued_bytes"] > 0, "messages wait")
            served.arm("cut")
            rest(answer)
            served.wait(lambda status: status["state"] == "done", "the source has ended")
        causes = [line["cause"] for line in undelivered(file)]
        assert set(causes) == {"unsent", "no stream"}
        accounted = sorted(int(text.split()[1]) for text in said(truth(file)) + said(undelivered(file)))
        # What was played before there was a rule matched none.
        assert accounted == list(range(accounted[0], 100))

    @pytest.mark.parametrize(
        ("parameters", "title", "kind", "detail"),
        [
            (
                {},
                "operational-disconnect",
                "UpstreamOperationalDisconnect",
                "This stream has been disconnected upstream for operational reasons.",
            ),
            (
                {"disconnect_type": "OperationalDisconnect"},
                "operational-disconnect",
                "OperationalDisconnect",
                "This stream has been disconnected for operational reasons.",
            ),
            (
                {"disconnect_type": "SlowReader"},
                "operational-disconnect",
                "SlowReader",
                "This stream has been disconnected for operational reasons.",
            ),
            (
                {"error": "usage-capped"},
                "UsageCapExceeded",
                None,
                "Usage cap exceeded: Monthly product cap",
            ),
            (
                {"error": "too-many-connections"},
                "ConnectionException",
                None,
                "This stream is currently at the maximum allowed connection limit.",
            ),
        ],
    )
    def test_an_error_in_the_stream_is_x_s_line_and_a_close(
        self,
        held: Served,
        file: Path,
        parameters: dict[str, str],
        title: str,
        kind: str | None,
        detail: str,
    ) -> None:
        held.arm("error_in_stream", after_messages=2, **parameters)
        (*tweets, last), how = rest(held.open("GET", STREAM))
        (problem,) = json.loads(last)["errors"]
        assert (texts(tweets), how) == (ALL[:2], "closed")
        assert (problem["title"], problem.get("disconnect_type"), problem["detail"]) == (title, kind, detail)
        assert problem["type"].startswith("https://api.twitter.com/2/problems/")
        assert said(truth(file)) == ALL[:2]


class TestSilence:
    @pytest.fixture
    def chatty(self, tmp_path: Path) -> Iterator[Served]:
        """A stream with ten keep-alives a second."""
        config = tmp_path / "replay.toml"
        config.write_text("[stream]\nkeep_alive_seconds = 0.1\n[control]\nenabled = true\n")
        tweets = stored(tmp_path / "tweets.json", *numbered(COUNT))
        with serving(tmp_path, "--config", config, "--tweets", tweets, "--speed", "0", "--hold") as running:
            running.add_rules("place_country:CA")
            yield running

    def test_a_stall_sends_nothing_not_even_keep_alives_until_it_is_over(self, chatty: Served) -> None:
        number = chatty.arm("stall", seconds=1.5, after_messages=5)
        with chatty.open("GET", STREAM) as answer:
            assert [m["data"]["text"] for m in messages(answer, 5)] == ALL[:5]
            chatty.wait(lambda _: chatty.fault(number)["state"] == "running", "the stall has begun")
            assert next(iter(answer)) != b"\r\n"
            assert len(messages(answer, COUNT - 6)) == COUNT - 6
            assert next(iter(answer)) == b"\r\n"
        fault = chatty.fault(number)
        assert (fault["state"], fault["befell"]) == ("past", 1)
        assert fault["ended_at"] - fault["begun_at"] >= 1490

    def test_a_stall_ends_when_it_is_deleted(self, chatty: Served) -> None:
        number = chatty.arm("stall", seconds=3600, after_messages=5)
        with chatty.open("GET", STREAM) as answer:
            messages(answer, 5)
            chatty.wait(lambda _: chatty.fault(number)["state"] == "running", "the stall has begun")
            chatty.ask("DELETE", f"/control/faults/{number}", who=None)
            assert [m["data"]["text"] for m in messages(answer, 15)] == ALL[5:]

    def test_a_stalled_stream_can_be_cut(self, chatty: Served) -> None:
        chatty.arm("stall", seconds=3600, after_messages=5)
        answer = chatty.open("GET", STREAM)
        messages(answer, 5)
        chatty.arm("cut")
        assert rest(answer) == ([], "reset")

    def test_a_stop_in_the_middle_of_a_stall_is_quick_and_tells_what_waited(
        self, held: Served, file: Path
    ) -> None:
        held.arm("stall", seconds=3600, after_messages=5)
        answer = held.open("GET", STREAM)
        messages(answer, 5)
        held.wait(lambda status: status["played"] == COUNT, "all are played")
        held.process.terminate()
        assert held.process.wait(60) == 0
        assert said(truth(file)) == ALL[:5]
        assert [(line["cause"], line["message"]["data"]["text"]) for line in undelivered(file)] == [
            ("unsent", text) for text in ALL[5:]
        ]
        answer.close()

    def test_a_drip_sends_so_many_bytes_a_second_and_whole_messages(self, chatty: Served) -> None:
        number = chatty.arm("drip", seconds=3600, bytes_per_second=400)
        with chatty.open("GET", STREAM) as answer:
            began, size = time.monotonic(), 0
            for line in answer:
                size += len(line)
                if size > 600:
                    break
            seconds = time.monotonic() - began
            # The first drop falls at once; a busy machine may be slower, but never faster.
            assert seconds >= (size - 40) / 400 - 0.2
            chatty.ask("DELETE", f"/control/faults/{number}", who=None)
            while json.loads(next(line for line in answer if line != b"\r\n"))["data"]["text"] != ALL[-1]:
                pass

    def test_a_drip_sends_keep_alives_too(self, chatty: Served) -> None:
        with chatty.open("GET", STREAM) as answer:
            messages(answer, COUNT)
            chatty.arm("drip", seconds=3600, bytes_per_second=1)
            assert [next(iter(answer)) for _ in range(2)] == [b"\r\n", b"\r\n"]


class TestDeadConnections:
    def test_a_dead_connection_still_counts_until_its_time_is_over(self, held: Served) -> None:
        number = held.arm("dead_connection", seconds=2, after_messages=5)
        found, how = rest(held.open("GET", STREAM))
        assert (texts(found), how) == (ALL[:5], "reset")
        held.wait(lambda status: not status["streams"], "the stream is gone")
        status, body = held.ask("GET", STREAM)
        assert (status, body["connection_issue"]) == (429, "TooManyConnections")
        assert held.fault(number)["state"] == "running"
        assert held.wait_until_past(number)["befell"] == 1
        with held.open("GET", STREAM) as answer:
            assert len(messages(answer, 15)) == 15

    def test_deleting_the_fault_buries_the_connection(self, held: Served) -> None:
        number = held.arm("dead_connection", seconds=3600, after_messages=5)
        rest(held.open("GET", STREAM))
        assert held.ask("GET", STREAM)[0] == 429
        held.ask("DELETE", f"/control/faults/{number}", who=None)
        with held.open("GET", STREAM) as answer:
            assert len(messages(answer, 15)) == 15

    def test_a_silent_one_stays_open_and_outlives_its_client(self, held: Served) -> None:
        number = held.arm("dead_connection", seconds=3600, silent=True, after_messages=5)
        answer = held.open("GET", STREAM)
        messages(answer, 5)
        held.wait(lambda _: held.fault(number)["state"] == "running", "the connection is dead")
        assert len(held.status()["streams"]) == 1
        answer.close()
        held.wait(lambda status: not status["streams"], "the stream is gone")
        assert held.ask("GET", STREAM)[0] == 429
