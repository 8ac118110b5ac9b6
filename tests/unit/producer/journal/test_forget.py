"""A person's posts can be removed from all that the journal keeps, and nothing else goes with them."""

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import click.testing
import pytest

from citypulse.producer.cli import main
from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import cursor, segment, setaside
from citypulse.producer.journal.reader import Reader
from citypulse.producer.journal.segment import Record
from citypulse.producer.journal.setaside import SetAside
from citypulse.producer.journal.tools import forget, verify
from citypulse.producer.journal.tools.whose import Wanted
from citypulse.producer.journal.writer import Writer

from . import disk as disks
from .running import Running

AT = 1_700_000_000_000
ANN, BEN = 700, 70
POST = 1_000_000


def message(post: int, author: int = BEN, includes: dict[str, Any] | None = None, **data: Any) -> bytes:
    whole = {"data": {"id": str(post), "author_id": str(author), "text": f"words of {author}"} | data}
    return json.dumps(whole | ({"includes": includes} if includes else {})).encode()


def retweet(of: int, post: int = 5, **data: Any) -> bytes:
    return message(post, referenced_tweets=[{"type": "retweeted", "id": str(of)}], **data)


def write(directory: Path, *payloads: bytes, segment_bytes: int = 400) -> None:
    writer = Writer(directory, segment_bytes)
    for payload in payloads:
        writer.append([(AT, payload)])
    writer.close()


def kept(directory: Path, *, tombstones: bool = False) -> list[bytes]:
    reader = Reader(directory, 0, lambda *gap: pytest.fail(str(gap)), tombstones=tombstones)
    found = [record.payload for record in reader.read(None, 100_000, 1 << 30)]
    reader.close()
    return found


def command(*arguments: str | Path) -> str:
    runner = click.testing.CliRunner()
    result = runner.invoke(main.commands["forget"], [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


class TestWhose:
    @pytest.mark.parametrize(
        "payload",
        [
            message(1, ANN),
            message(1, includes={"tweets": [{"id": "9", "author_id": str(ANN), "text": "quoted"}]}),
            message(1, includes={"users": [{"id": str(BEN)}, {"id": str(ANN), "name": "Ann"}]}),
            retweet(9, entities={"mentions": [{"start": 3, "id": str(ANN), "username": "ann"}]}),
            b'{"data":{"id":"1","author_id":"700","text":"cut he',
        ],
    )
    def test_a_users_words_and_profile_are_found_wherever_they_stand(self, payload: bytes) -> None:
        assert Wanted(ANN, None).matches(payload)

    @pytest.mark.parametrize(
        "payload",
        [
            message(ANN),
            message(1, author=7001),
            message(1, text="I like the number 700"),
            message(1, in_reply_to_user_id=str(ANN)),
            message(1, entities={"mentions": [{"id": str(ANN), "username": "ann"}]}),
            b"cut: 1700, 7000",
        ],
    )
    def test_others_words_are_not(self, payload: bytes) -> None:
        assert not Wanted(ANN, None).matches(payload)

    @pytest.mark.parametrize(
        "payload",
        [
            message(POST),
            message(POST + 1, edit_history_tweet_ids=[str(POST), str(POST + 1)]),
            retweet(POST),
            message(1, includes={"tweets": [{"id": str(POST), "text": "quoted"}]}),
        ],
    )
    def test_a_post_is_found_with_its_versions_and_wherever_its_words_are_repeated(
        self, payload: bytes
    ) -> None:
        assert Wanted(None, POST).matches(payload)

    @pytest.mark.parametrize("kind", ["quoted", "replied_to"])
    def test_an_answer_without_the_posts_words_is_not(self, kind: str) -> None:
        payload = message(1, referenced_tweets=[{"type": kind, "id": str(POST)}])
        assert not Wanted(None, POST).matches(payload)

    def test_a_retweet_of_a_users_post_is_found_by_what_the_journal_knows_of_that(self) -> None:
        wanted = Wanted(ANN, None)
        assert not wanted.matches(retweet(POST))
        wanted.learn(message(POST, ANN))
        assert wanted.matches(retweet(POST))


class TestForget:
    def test_a_tombstone_stands_where_the_post_was_and_all_else_is_as_before(self, tmp_path: Path) -> None:
        payloads = [message(POST + n, ANN if n % 3 == 0 else BEN) for n in range(12)]
        write(tmp_path, *payloads)
        cursor.store(tmp_path, 5)
        for _, path in segment.paths(tmp_path):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        said = command("--dir", tmp_path, "--user", str(ANN))
        assert said.startswith("removed: 4 records of 4 segments (2 not in Kafka yet), 0 unsound")
        assert kept(tmp_path) == [payload for n, payload in enumerate(payloads) if n % 3]
        assert kept(tmp_path, tombstones=True) == [
            payload if n % 3 else b"" for n, payload in enumerate(payloads)
        ]
        assert verify.verify(tmp_path).findings == []
        assert verify.verify(tmp_path).tombstones == 4
        for path in tmp_path.iterdir():
            assert b"words of 700" not in path.read_bytes()
        assert {path.stat().st_mtime for _, path in segment.paths(tmp_path)} == {1_000_000_000}

    def test_a_dry_run_says_the_same_and_changes_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, *[message(POST + n) for n in range(5)])
        SetAside(tmp_path).record(Record(1, AT, message(POST)), "no post")
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        would = command("--dir", tmp_path, "--tweet", str(POST), "--dry-run")
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        assert command("--dir", tmp_path, "--tweet", str(POST)).removeprefix("removed") == (
            would.removeprefix("would remove")
        )
        assert "1 records of 1 segments (1 not in Kafka yet)" in would
        assert "1 set aside" in would

    def test_nothing_found_is_well(self, tmp_path: Path) -> None:
        write(tmp_path, message(POST))
        assert command("--dir", tmp_path, "--user", "1").startswith("removed: 0 records of 0 segments")

    def test_what_was_set_aside_goes_too(self, tmp_path: Path) -> None:
        write(tmp_path, message(POST))
        aside = SetAside(tmp_path)
        for author in (ANN, BEN):
            aside.record(Record(1, AT, message(1, author)), "no post")
            aside.dead_letter(Record(1, AT, message(1, author)), "too large")
            aside.corrupt("1.segment", author, b'half of {"author_id":"%d"' % author, "torn")
        said = command("--dir", tmp_path, "--user", str(ANN))
        assert "1 of the quarantine, 1 dead letters, 1 set aside" in said
        for name in setaside.NAMES:
            (entry,) = setaside.entries(tmp_path, name)
            assert b"70" in entry.content()
            assert b"700" not in entry.content()

    def test_bytes_that_are_no_record_and_name_the_id_are_wiped(self, tmp_path: Path) -> None:
        write(tmp_path, message(1, ANN), message(2), segment_bytes=4096)
        (_, path) = segment.paths(tmp_path)[0]
        content = bytearray(path.read_bytes())
        content[segment.HEADER_SIZE + 5] ^= 1
        path.write_bytes(content)
        assert "0 records of 1 segments (0 not in Kafka yet), 1 unsound" in (
            command("--dir", tmp_path, "--user", str(ANN))
        )
        assert b"words of 700" not in path.read_bytes()
        assert path.stat().st_size == len(content)

    @pytest.mark.parametrize("arguments", [[], ["--user", "1", "--tweet", "2"]])
    def test_one_of_user_and_tweet_is_asked_for(self, tmp_path: Path, arguments: list[str]) -> None:
        with pytest.raises(BadInputError, match="either --user or --tweet"):
            command("--dir", tmp_path, *arguments)

    def test_a_full_disk_leaves_each_file_old_or_new_and_it_can_be_run_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory = Path("/journal")
        disk = disks.install(monkeypatch, directory)
        write(directory, *[message(POST + n, ANN) for n in range(8)])
        disk.capacity = disk.used() + 32
        with pytest.raises(ShortError, match="run it again"):
            forget.forget(directory, Wanted(ANN, None), dry_run=False)
        assert verify.verify(directory).findings == []
        disk.capacity = None
        forget.forget(directory, Wanted(ANN, None), dry_run=False)
        assert kept(directory) == []
        assert not any(name.endswith(".tmp") for name in disk.names_shown)


class TestBesideAProducer:
    def test_what_it_has_just_accepted_is_forgotten_while_it_goes_on(self, tmp_path: Path) -> None:
        running = Running(tmp_path, segment_bytes=1 << 20)
        stop = threading.Event()
        put: list[bytes] = []
        rng = random.Random(1)

        def stream() -> None:
            while not stop.is_set() and len(put) < 20_000:
                payloads = [message(POST + len(put) + n, rng.choice([ANN, BEN])) for n in range(10)]
                put.extend(payloads)
                running.put(*payloads)
                stop.wait(0.001)

        streaming = threading.Thread(target=stream)
        streaming.start()
        running.until_durable(500)
        before = running.committer.durable
        found = forget.forget(tmp_path, Wanted(ANN, None), dry_run=False)
        running.until_durable(running.committer.durable + 100)
        stop.set()
        streaming.join()
        running.close()
        assert found.records > 100
        records = kept(tmp_path, tombstones=True)
        assert len(records) == len(put)
        for sequence, (record, payload) in enumerate(zip(records, put, strict=True), 1):
            forgotten = sequence < before and b"words of 700" in payload
            assert record == (b"" if forgotten else payload) or (record == b"" and b"of 700" in payload)

    def test_a_segment_that_is_not_touched_is_not_asked_for(self, tmp_path: Path) -> None:
        running = Running(tmp_path, group_records=1, segment_bytes=200)
        running.put(message(1, ANN))
        running.until_durable(2)
        running.put(message(2, BEN))
        running.until_durable(3)
        assert len(segment.paths(tmp_path)) == 2
        assert forget.forget(tmp_path, Wanted(ANN, None), dry_run=False).records == 1
        assert len(segment.paths(tmp_path)) == 2
        running.close()
        assert kept(tmp_path) == [message(2, BEN)]

    def test_one_that_does_not_answer_is_to_be_stopped_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(forget, "ROTATE_SECONDS", 0.1)
        writer = Writer(tmp_path, 4096)
        writer.append([(AT, message(1, ANN))])
        with pytest.raises(BadInputError, match=rf"process {os.getpid()}\).*stop it first"):
            forget.forget(tmp_path, Wanted(ANN, None), dry_run=False)
        assert not (tmp_path / "rotate").exists()
        writer.close()
        assert forget.forget(tmp_path, Wanted(ANN, None), dry_run=False).records == 1
