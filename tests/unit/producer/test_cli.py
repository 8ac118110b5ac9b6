"""The command as a process: its exit codes, its one sentence, and what its journal holds after a kill."""

import json
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.writer import Writer
from tests.processes import free_port

from .fake_x import BEARER, Connection, FakeX, serving

DEADLINE = 60.0
PLAIN = {key: value for key, value in os.environ.items() if not key.startswith(("CITYPULSE_", "X_BEARER"))}


def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "citypulse.producer", *map(str, arguments)],
        env=PLAIN | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def sentence(result: subprocess.CompletedProcess[str], code: int) -> str:
    assert result.returncode == code, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("citypulse-producer: ")
    return line


class Process:
    """A producer that runs without brokers, so that its journal keeps everything."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []
    """Of the test that runs; see conftest."""

    def __init__(self, directory: Path, server: FakeX, *arguments: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.config = directory / "producer.toml"
        self.config.write_text(
            f"""
            stop_seconds = 0.5
            [x]
            base_url = "{server.url}"
            network_step_seconds = 0.05
            [[feeds]]
            name = "all"
            countries = ["CA"]
            [journal]
            dir = "{directory / "journal"}"
            [kafka]
            bootstrap_servers = ["127.0.0.1:{free_port()}"]
            [http]
            port = {self.port}
            """
        )
        self.arguments = arguments

    def start(self) -> None:
        self.output = (self.directory / "log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "citypulse.producer", "run", "--config", self.config, *self.arguments],
            env=PLAIN | {"X_BEARER_TOKEN": BEARER},
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )
        self.started.append(self.process)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        found = re.search(rf"^citypulse_producer_{name} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + DEADLINE
        while not done():
            assert self.process.poll() is None, f"ended before {what}:\n{self.log()}"
            assert time.monotonic() < end, f"{what} did not happen within {DEADLINE:g} s:\n{self.log()}"
            time.sleep(0.02)

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def journaled(self) -> list[bytes]:
        reader = Reader(self.directory / "journal", 1, lambda *gap: pytest.fail(f"corrupt: {gap}"))
        payloads = [record.payload for record in reader.read(None, 1_000_000, 1 << 30)]
        reader.close()
        return payloads


def message(number: int) -> bytes:
    return b'{"data":{"id":"%d","text":"a secret thought"},"matching_rules":[]}' % number


def sends(numbers: range) -> Callable[[Connection], None]:
    def script(connection: Connection) -> None:
        connection.accept()
        for number in numbers:
            connection.send(message(number) + b"\r\n")
        connection.wait_for_close()

    return script


def test_what_was_accepted_outlives_a_kill_and_a_stop_is_clean(tmp_path: Path) -> None:
    with serving(sends(range(1, 301)), sends(range(301, 401))) as server:
        running = Process(tmp_path, server)
        running.start()
        running.until(lambda: running.metric("accepted_total") == 300, "300 messages accepted")
        running.process.kill()
        running.process.wait(DEADLINE)
        assert running.journaled() == [message(n) for n in range(1, 301)]

        running.start()
        running.until(lambda: running.metric("accepted_total") == 100, "100 more messages accepted")
        assert running.get("/healthz")[0] == 200
        running.until(lambda: '"circuit":false' in running.get("/readyz")[1], "an open circuit")
        status, checks = running.get("/readyz")
        assert status == 503
        assert json.loads(checks) == {
            "stream": True,
            "committer": True,
            "sender": True,
            "brokers": True,
            "connected": True,
            "journal": True,
            "kafka": False,
            "circuit": False,
        }
        assert running.get("/elsewhere")[0] == 404
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0, running.log()
        assert server.closed.wait(DEADLINE), "X did not see the connection closed"
        assert running.journaled() == [message(n) for n in range(1, 401)]
    lines = [json.loads(line) for line in running.log().splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert BEARER not in running.log()
    assert "secret" not in running.log()


def test_a_feed_can_be_given_as_arguments(tmp_path: Path) -> None:
    with serving(sends(range(1, 2))) as server:
        running = Process(tmp_path, server, "--countries", "GB,FR", "--query", "cats")
        running.start()
        running.until(lambda: running.metric("accepted_total") == 1, "a message accepted")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE) == 0, running.log()
        assert [rule["value"] for rule in server.rules] == ["(place_country:FR OR place_country:GB) (cats)"]


def test_two_producers_do_not_share_a_journal(tmp_path: Path) -> None:
    with serving(sends(range(1, 2))) as server:
        running = Process(tmp_path, server)
        running.start()
        running.until(lambda: running.metric("accepted_total") == 1, "a message accepted")
        second = command("run", "--config", running.config, X_BEARER_TOKEN=BEARER)
        assert f"in use by process {running.process.pid}" in sentence(second, 2)
        running.process.kill()
        running.process.wait(DEADLINE)


def test_a_refused_token_ends_in_one_sentence_and_exit_code_3(tmp_path: Path) -> None:
    with serving(sends(range(0))) as server:
        config = Process(tmp_path, server).config
        assert "401" in sentence(command("run", "--config", config, X_BEARER_TOKEN="no"), 3)  # noqa: S106
        assert "401" in sentence(command("check", "--config", config, X_BEARER_TOKEN="no"), 3)  # noqa: S106


def test_a_missing_token_names_its_key(tmp_path: Path) -> None:
    with serving(sends(range(0))) as server:
        config = Process(tmp_path, server).config
    assert "x.bearer_token_file is not set" in sentence(command("run", "--config", config), 2)


def test_an_unknown_key_names_itself(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[journal]\ndirectory = 'x'")
    for name in ("run", "check", "ledger"):
        assert "journal.directory" in sentence(command(name, "--config", tmp_path / "bad.toml"), 2)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with serving(sends(range(0))) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        config = Process(tmp_path, server).config
        result = command("run", "--config", config, X_BEARER_TOKEN=BEARER, CITYPULSE_PRODUCER_HTTP_PORT=port)
    assert f"http.port = {port}" in sentence(result, 2)


def test_a_check_without_brokers_says_so_and_changes_no_rule(tmp_path: Path) -> None:
    with serving(sends(range(0))) as server:
        result = command("check", "--config", Process(tmp_path, server).config, X_BEARER_TOKEN=BEARER)
        assert server.rules == []
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert [line[:4] for line in lines] == ["ok  ", "ok  ", "FAIL"]
    assert "adds 1" in lines[1]
    assert not (tmp_path / "journal").exists()


def test_a_full_disk_is_waited_for_and_the_producer_goes_on_by_itself(tmp_path: Path) -> None:
    payloads = [b'{"data":{"id":"%d","text":"%s"}}' % (n, b"x" * 1000) for n in range(600)]

    def script(connection: Connection) -> None:
        connection.accept()
        for payload in payloads:
            connection.send(payload + b"\r\n")
            time.sleep(0.001)
        connection.wait_for_close()

    with serving(script) as server:
        running = Process(tmp_path, server)
        running.start()
        pid, hard = running.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (100_000, hard))
        running.until(lambda: running.metric("journal_full") == 1, "the disk full")
        assert json.loads(running.get("/readyz")[1])["journal"] is False
        assert running.get("/healthz")[0] == 200
        assert running.metric("accepted_total") < 100
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        running.until(lambda: running.metric("accepted_total") == 600, "everything accepted")
        assert running.metric("journal_full") == 0
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(DEADLINE) == 0, running.log()
        assert running.journaled() == payloads
    events = [json.loads(line)["event"] for line in running.log().splitlines()]
    assert events.count("journal: full") == events.count("journal: has room again") == 1


def test_an_export_that_the_disk_has_no_room_for_ends_with_4_in_one_sentence(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal", 1 << 20)
    writer.append([(1, b"x" * 10_000)])
    writer.close()
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "from citypulse.producer.cli import main; main()"
    )
    result = subprocess.run(
        [
            *(sys.executable, "-c", limited, "journal", "export"),
            *("--dir", tmp_path / "journal", "--out", tmp_path / "out"),
        ],
        env=PLAIN,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "File too large" in sentence(result, 4)


COMMANDS = (
    *(("run",), ("check",), ("ledger",), ("estimate",), ("gaps",), ("forget",), ("rules",), ("journal",)),
    *(("rules", name) for name in ("ls", "plan", "apply", "clear")),
    *(("journal", name) for name in ("ls", "verify", "export", "repair")),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_with_examples(name: tuple[str, ...]) -> None:
    result = command(*name, "--help")
    assert result.returncode == 0
    assert "Examples:" in result.stdout
    assert "Exit codes:" in result.stdout


def test_a_long_command_says_on_a_terminal_how_far_it_is(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 100)
    for _ in range(3):
        writer.append([(1, b"x" * 100)])
    writer.close()
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "citypulse.producer", "journal", "verify", "--dir", tmp_path]
    done = subprocess.run(arguments, env=PLAIN, stdout=subprocess.PIPE, stderr=theirs, timeout=DEADLINE)
    assert done.returncode == 0
    assert b"verify: segment 3 of 3" in os.read(ours, 1000)
