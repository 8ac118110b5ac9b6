"""Beside a producer that streams: its journal is looked at and its posts forgotten, and it is told apart from
others.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.stream.rig import Rig


class TestJournal:
    """ls, verify, export and repair."""

    def test_it_is_listed_and_sound(self, running: Rig) -> None:
        listed = running.answer("journal", "ls")
        assert listed["producer"] == str(running.producer.pid)
        assert listed["unacknowledged"] > 0
        assert running.answer("journal", "verify")["findings"] == []

    def test_it_is_exported_byte_for_byte(self, running: Rig, tmp_path: Path) -> None:
        out = tmp_path / "exported"
        assert running.command("journal", "export", "--to", "31", "--out", out).code == 0
        assert out.stat().st_mode & 0o777 == 0o600
        sent = [json.loads(line) for line in running.replay.truth.read_text().splitlines()[1:31]]
        assert [json.loads(line) for line in out.read_text().splitlines()] == [one["message"] for one in sent]

    def test_it_is_not_repaired_beside_its_writer(self, running: Rig) -> None:
        for more in ((), ("--dry-run",)):
            said = running.command("journal", "repair", *more)
            assert f"in use by process {running.producer.pid}" in said.sentence(2)


class TestForget:
    """A post, and a user, are gone from the journal, and the stream goes on."""

    def test_a_post_and_a_user(self, running: Rig) -> None:
        posts = [json.loads(line)["data"] for line in running.command("journal", "export").out.splitlines()]
        post, user = posts[-1], posts[0]["author_id"]
        assert "would remove: 1 records" in running.command("forget", "--tweet", post["id"], "--dry-run").out
        assert "removed: 1 records" in running.command("forget", "--tweet", post["id"]).out
        said = running.command("forget", "--user", user)
        assert re.match(r"removed: [1-9]\d* records", said.out), said
        running.flow()
        exported = running.command("journal", "export").out.splitlines()
        left = {json.loads(line)["data"]["id"] for line in exported}
        # The user may have posted since, and what is posted after a removal is no part of it.
        assert not left & {post["id"], *(one["id"] for one in posts if one["author_id"] == user)}
        assert left & {one["id"] for one in posts}, "others' posts are kept"
        assert running.answer("journal", "verify")["tombstones"] > 1


class TestASecondProducer:
    """One token, one journal, one process."""

    def test_with_the_same_token(self, running: Rig) -> None:
        second = running.another("second", running.replay.tokens[0])
        said = running.command("run", config=second.configure())
        assert f"the token is in use by process {running.producer.pid}," in said.sentence(2)
        assert not second.journal.exists()

    def test_with_the_same_journal(self, running: Rig) -> None:
        third = running.another("third", running.replay.tokens[1])
        config = third.configure(journal={"dir": str(running.producer.journal)})
        said = running.command("run", config=config)
        assert f"is in use by process {running.producer.pid}:" in said.sentence(2)


class TestSecrets:
    """What others may see holds neither token nor text."""

    def test_no_token_and_no_text_in_logs_and_process_lists(self, running: Rig) -> None:
        token = running.replay.tokens[0].read_text().strip()
        process = Path(f"/proc/{running.producer.pid}/cmdline").read_bytes()
        log = (running.directory / "producer.log").read_text()
        texts = {
            json.loads(line)["data"]["text"] for line in running.command("journal", "export").out.splitlines()
        }
        assert token not in log
        assert token.encode() not in process
        assert not [text for text in texts if text in log]

    def test_only_the_owner_may_read_what_is_kept(self, running: Rig) -> None:
        modes = {path.name: path.stat().st_mode & 0o077 for path in running.producer.journal.iterdir()}
        assert set(modes.values()) == {0}, modes
        assert running.producer.journal.stat().st_mode & 0o077 == 0
