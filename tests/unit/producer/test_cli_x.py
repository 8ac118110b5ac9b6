"""The commands that look at X, and the running process: its token, its gaps, its rules, and SIGHUP."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from citypulse.producer import message
from citypulse.producer.config import load
from citypulse.producer.gaps.file import GapFile
from citypulse.producer.journal.reader import Reader
from citypulse.producer.routes import Routes
from citypulse.producer.stream import rules

from . import fake_x
from .fake_x import BEARER, Connection, FakeX, serving
from .test_cli import DEADLINE, Process, command, sends, sentence

TOKEN = {"X_BEARER_TOKEN": BEARER}


def quiet(connection: Connection) -> None:
    connection.accept()
    connection.wait_for_close()


@pytest.fixture
def server() -> Iterator[FakeX]:
    with serving(quiet) as running:
        yield running


def test_two_producers_do_not_share_a_token(tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with serving(sends(range(1, 2))) as server:
        running, second = Process(tmp_path, server), Process(tmp_path / "second", server)
        running.start()
        running.until(lambda: running.metric("accepted_total") == 1, "a message accepted")
        for arguments in (("run",), ("rules", "apply", "--countries", "FR")):
            result = command(*arguments, "--config", second.config, **TOKEN)
            line = sentence(result, 2)
            assert f"the token is in use by process {running.process.pid}" in line
            assert BEARER not in line
        assert not (tmp_path / "second" / "journal").exists()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0


def test_gaps_of_a_journal_that_is_not_there_are_none(tmp_path: Path, server: FakeX) -> None:
    result = command("gaps", "--config", Process(tmp_path, server).config)
    assert (result.returncode, result.stdout) == (0, "0 gaps, 0 open with 0.0 s\n")
    assert not (tmp_path / "journal").exists()


class Live:
    """X as it is: each post is matched against the rules of its moment, tagged, and sent if one matches."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.server: FakeX | None = None
        self.done = threading.Event()

    def __call__(self, connection: Connection) -> None:
        assert self.server is not None
        connection.accept()
        number = len(self.sent)
        while not self.done.is_set():
            number += 1
            country = ("CA", "GB")[number % 2]
            tags = [
                {"id": rule["id"], "tag": rule.get("tag", "")}
                for rule in list(self.server.rules)
                if f"place_country:{country}" in rule["value"]
            ]
            if tags:
                made = int(time.time() * 1000) - 1288834974657 << 22
                post = {"id": str(made + number % 4096), "geo": {"place_id": country}}
                places = {"places": [{"id": country, "country_code": country, "place_type": "country"}]}
                entry = {"data": post, "includes": places, "matching_rules": tags}
                connection.send(json.dumps(entry).encode() + b"\r\n")
                self.sent.append(entry)
            time.sleep(0.001)
        connection.wait_for_close()


def test_a_kill_and_a_stop_leave_gaps_that_the_command_lists(tmp_path: Path) -> None:
    live = Live()
    with serving(live) as server:
        live.server = server
        running = Process(tmp_path, server)
        for _ in range(2):
            running.start()
            # For longer than a second, so that it is sure that X was heard after the connection.
            running.until(lambda: running.metric("accepted_total") > 1000, "posts accepted")
            if server.connections == 1:
                running.process.kill()
                running.process.wait(DEADLINE)
        assert re.search(r'gap_seconds_total\{cause="killed"\} [0-9.]+', running.get("/metrics")[1])
        assert running.metric("open_gaps") == 1
        assert running.metric("open_gap_seconds") > 0
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0
        live.done.set()
    result = command("gaps", "--config", running.config)
    assert result.returncode == 0, result.stderr
    assert "killed" in result.stdout
    assert "2 gaps, 2 open" in result.stdout
    listed = json.loads(command("gaps", "--config", running.config, "--json", "--open").stdout)
    assert [gap["cause"] for gap in listed["gaps"]] == ["killed", "stopped"]
    assert listed["gaps"][1]["end"] is None
    assert listed["totals"]["open_gaps"] == 2
    assert set(listed["totals"]["seconds_by_cause"]) == {"killed", "stopped"}


def test_a_stop_is_heard_while_x_does_not_answer_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, ended = threading.Event(), threading.Event()
    answer = fake_x._Handler.do_GET

    def hangs(handler: fake_x._Handler) -> None:
        if running.process.poll() is None and hanging.is_set() and "rules" in handler.path:
            asked.set()
            ended.wait(DEADLINE)
        answer(handler)

    hanging = threading.Event()
    monkeypatch.setattr(fake_x._Handler, "do_GET", hangs)
    with serving(sends(range(1, 2))) as server:
        running = Process(tmp_path, server)
        running.config.write_text(running.config.read_text().replace("[x]", "[x]\nstall_seconds = 600"))
        running.start()
        running.until(lambda: running.metric("accepted_total") == 1, "a message accepted")
        hanging.set()
        running.process.send_signal(signal.SIGHUP)
        assert asked.wait(DEADLINE)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0
        ended.set()


def test_feeds_change_on_sighup_without_a_disconnect_and_every_post_is_counted_for_its_feed(
    tmp_path: Path,
) -> None:
    live = Live()
    with serving(live) as server:
        live.server = server
        running = Process(tmp_path, server)
        running.start()
        running.until(lambda: running.metric("accepted_total") > 50, "posts of Canada")
        text = running.config.read_text()
        steps = [
            text.replace('countries = ["CA"]', 'countries = ["CA", "GB"]'),
            text.replace('countries = ["CA"]', 'countries = ["CA", "GB"]\ntopic = "tweets.both"'),
            text.replace(
                'countries = ["CA"]', 'countries = ["CA"]\n[[feeds]]\nname = "uk"\ncountries = ["GB"]'
            ),
        ]
        for step in steps:
            running.config.write_text(step)
            taken = running.log().count("configuration: taken")
            running.process.send_signal(signal.SIGHUP)
            running.until(lambda: running.log().count("configuration: taken") > taken, "the change")  # noqa: B023
            enough = running.metric("accepted_total") + 100
            running.until(lambda: running.metric("accepted_total") > enough, "more posts")  # noqa: B023
        for bad in ("feeds = [", text.replace("port = ", "address = '127.0.0.2'\nport = ")):
            running.config.write_text(bad)
            refused = running.log().count("is not taken")
            running.process.send_signal(signal.SIGHUP)
            running.until(lambda: running.log().count("is not taken") > refused, "the refusal")  # noqa: B023
        assert "http.address cannot change while running" in running.log()
        live.done.set()
        running.until(lambda: running.metric("accepted_total") == len(live.sent), "all that was sent")
        assert server.connections == 1
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0, running.log()
        assert {rule["value"] for rule in server.rules} == {"place_country:CA", "place_country:GB"}
    assert [json.loads(line) for line in running.journaled()] == live.sent
    recorded = GapFile(tmp_path / "journal").entries.values()
    assert {entry.gap.cause for entry in recorded} == {"stopped"}

    running.config.write_text(steps[-1])
    config = load(running.config, {})
    parse = message.parser(config, rules.configured(config), Routes(tmp_path / "journal"))
    reader = Reader(tmp_path / "journal", 1, lambda *gap: pytest.fail(f"corrupt: {gap}"))
    went: list[tuple[str, str, tuple[str, ...]]] = []
    for record in reader.read(None, 1_000_000, 1 << 30):
        for topic, event in parse(record.payload, record.at).deliveries:
            assert event.country is not None
            went.append((topic, event.country, tuple(event.feeds)))
    assert len(went) >= len(live.sent)
    kinds = set(went)
    assert ("tweets", "CA", ("all",)) in kinds
    assert ("tweets", "GB", ("all",)) in kinds
    assert ("tweets.both", "CA", ("all",)) in kinds
    assert ("tweets", "GB", ("uk",)) in kinds
    assert not any(topic == "tweets.both" and feeds == ("uk",) for topic, _, feeds in kinds)


def test_rules_are_listed_planned_and_applied(tmp_path: Path, server: FakeX) -> None:
    server.rules = [
        {"id": "1", "value": "cats", "tag": "mine"},
        {"id": "2", "value": "dogs"},
        {"id": "3", "value": "place_country:DE", "tag": "citypulse/main/all/1"},
    ]
    config = Process(tmp_path, server).config
    before = list(server.rules)
    planned = command("rules", "plan", "--config", config, **TOKEN)
    assert planned.returncode == 0, planned.stderr
    assert "delete  citypulse/main/all/1  place_country:DE" in planned.stdout
    assert "add     citypulse/main/all/2  place_country:CA" in planned.stdout
    assert "1 to delete, 1 to add, 2 left as they are" in planned.stdout
    assert server.rules == before

    applied = command("rules", "apply", "--config", config, **TOKEN)
    assert applied.returncode == 0, applied.stderr
    assert server.changes == ["add", "delete"]
    again = command("rules", "apply", "--config", config, **TOKEN)
    assert again.stdout == "0 to delete, 0 to add, 3 left as they are\n"

    listed = command("rules", "ls", "--config", config, **TOKEN)
    assert "3 rules: 1 of main, 2 of others" in listed.stdout
    assert "(no tag)  dogs" in listed.stdout
    rows = json.loads(command("rules", "ls", "--config", config, "--json", **TOKEN).stdout)
    assert [row["value"] for row in rows if row["ours"]] == ["place_country:CA"]


def test_a_refused_token_ends_the_commands_with_exit_code_3(tmp_path: Path, server: FakeX) -> None:
    config = Process(tmp_path, server).config
    for arguments in (("rules", "ls"), ("rules", "plan"), ("estimate",)):
        result = command(*arguments, "--config", config, X_BEARER_TOKEN="no")  # noqa: S106
        assert "401" in sentence(result, 3)


def counts(*per_day: int) -> dict[str, Any]:
    days = [f"2026-10-{day:02d}T00:00:00.000Z" for day in range(1, len(per_day) + 2)]
    buckets = [
        {"start": start, "end": end, "tweet_count": count}
        for start, end, count in zip(days, days[1:], per_day, strict=False)
    ]
    return {"data": buckets, "meta": {"total_tweet_count": sum(per_day)}}


def estimate(server: FakeX, *arguments: str) -> Any:
    return command("estimate", *arguments, CITYPULSE_PRODUCER_X_BASE_URL=server.url, **TOKEN)


def test_an_estimate_says_what_a_day_and_a_month_bring_and_cost(server: FakeX) -> None:
    server.counts = lambda _query: (200, counts(100, 200, 300, 200))
    result = estimate(server, "--countries", "CA,GB", "--price", "0.005")
    assert result.returncode == 0, result.stderr
    assert re.search(r"all +1 +200 +6,000 +30\.00\n", result.stdout)
    assert server.asked == [{"query": "(place_country:CA OR place_country:GB)", "granularity": "day"}]
    assert server.rules == []
    assert "unknown" in estimate(server, "--countries", "CA").stdout


def test_an_estimate_asks_for_as_much_at_once_as_counts_take(server: FakeX) -> None:
    server.counts = lambda _query: (200, counts(10))
    result = estimate(server, "--countries", "all", "--json")
    found = json.loads(result.stdout)
    assert found["feeds"][0]["rules"] == 5
    assert len(server.asked) > 5
    assert all(len(query["query"]) <= 512 for query in server.asked)
    assert found["total"]["posts_per_day"] == 10 * len(server.asked)
    assert found["total"]["usd_per_month"] is None


def test_an_estimate_says_plainly_what_x_does_not_count(server: FakeX) -> None:
    def some(query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if "cats" in query["query"]:
            return 200, counts(70)
        return 400, {"title": "Invalid Request", "detail": "place_country is not available in counts"}

    server.counts = some
    feeds = json.dumps([{"name": "all", "countries": ["CA"]}, {"name": "cats", "query": "cats"}])
    result = command(
        "estimate", CITYPULSE_PRODUCER_X_BASE_URL=server.url, CITYPULSE_PRODUCER_FEEDS=feeds, **TOKEN
    )
    assert result.returncode == 1
    assert "NOT COUNTED" in result.stdout
    assert "place_country is not available" in result.stdout
    assert re.search(r"all feeds +2 +70 ", result.stdout)


def test_an_estimate_that_x_refuses_whole_is_refused(server: FakeX) -> None:
    assert "no counts" in sentence(estimate(server, "--countries", "CA"), 3)


@pytest.mark.parametrize("name", ["gaps", "estimate", "rules", "rules ls", "rules plan", "rules apply"])
def test_every_command_helps_with_examples(name: str) -> None:
    result = command(*name.split(), "--help")
    assert result.returncode == 0
    assert "Examples:" in result.stdout
    assert "Exit codes:" in result.stdout
