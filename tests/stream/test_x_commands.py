"""The commands that ask X, before a producer runs and beside one."""

from __future__ import annotations

import pytest

from tests.stream.rig import Rig


class TestEstimate:
    """How many posts, and what they cost."""

    def test_it_counts_what_the_feeds_would_bring(self, running: Rig) -> None:
        told = running.answer("estimate", "--price", "0.005")
        total = told["total"]
        assert total["rules"] > 1
        assert total["not_counted"] == []
        assert total["usd_per_month"] == pytest.approx(total["posts_per_month"] * 0.005, abs=0.01)
        assert total["posts_per_month"] == pytest.approx(total["posts_per_day"] * 30, abs=30)

    def test_an_account_without_counts_is_refused(self, rig: Rig) -> None:
        rig.replay.start()
        said = rig.command("estimate", "--countries", "CA,GB")
        assert "may not use counts" in said.sentence(3)

    def test_a_price_below_nothing_is_bad_input(self, running: Rig) -> None:
        assert running.command("estimate", "--price", "-1").code == 2


class TestRules:
    """X's rules for the token."""

    def test_they_are_planned_applied_and_listed(self, rig: Rig) -> None:
        rig.replay.start()
        some = ("--countries", "CA,GB")
        assert rig.answer("rules", "ls") == []
        assert "1 to add" in rig.command("rules", "plan", *some).out
        assert rig.answer("rules", "ls") == []
        assert rig.command("rules", "apply", *some).out.endswith("done\n")
        (rule,) = rig.answer("rules", "ls")
        assert (rule["tag"], rule["ours"]) == ("citypulse/main/all/1", True)
        assert "0 to delete, 0 to add" in rig.command("rules", "plan", *some).out
        said = rig.command("rules", "apply", "--countries", "FR")
        assert said.out.splitlines()[2] == "1 to delete, 1 to add, 0 left as they are"
        assert [rule["value"] for rule in rig.replay.rules()] == ["place_country:FR"]

    def test_they_do_not_change_behind_a_running_producer(self, running: Rig) -> None:
        before = running.replay.rules()
        for _ in range(3):
            said = running.command("rules", "apply", "--countries", "FR")
            assert f"in use by process {running.producer.pid}," in said.sentence(2)
        assert running.replay.rules() == before
        assert (
            running.command("rules", "plan").out == f"0 to delete, 0 to add, {len(before)} left as they are\n"
        )


class TestRefusals:
    """What cannot work is said in one sentence, with its exit code."""

    def test_a_key_that_is_none(self, rig: Rig) -> None:
        rig.config.write_text("nmae = 'x'\n" + rig.config.read_text())
        assert "nmae is not a key" in rig.command("run").sentence(2)

    def test_no_token(self, rig: Rig) -> None:
        rig.config.write_text(rig.config.read_text().replace("bearer_token_file", "# "))
        assert "x.bearer_token_file is not set" in rig.command("run").sentence(2)

    def test_a_token_that_x_refuses(self, rig: Rig) -> None:
        rig.replay.start()
        said = rig.command("run", X_BEARER_TOKEN="refused")  # noqa: S106
        assert said.code == 3
        assert said.err == "citypulse-producer: X refuses with 401 Unauthorized: check the bearer token\n"
        assert "refused" not in said.out.replace("refuses", "")

    def test_a_feed_that_cannot_be(self, rig: Rig) -> None:
        assert "--feed = 'a/b' cannot be" in rig.command(
            "rules", "ls", "--feed", "a/b", "--query", "x"
        ).sentence(2)

    def test_brokers_that_do_not_answer(self, running: Rig) -> None:
        said = running.command("check")
        assert said.code == 1
        assert "no answer" in said.out
        assert f"in use by process {running.producer.pid}" in said.out
