"""Each fault that befalls messages as a client sees it, and what the truth says of it."""

import json
import random
from itertools import islice
from pathlib import Path

import pytest

from .served import (
    STREAM,
    Served,
    messages,
    numbered,
    of,
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
FIELDS = "?tweet.fields=geo&expansions=geo.place_id"


class TestMessages:
    @pytest.mark.parametrize("kind", ["text", "binary"])
    def test_a_malformed_line_comes_between_messages_and_takes_none(
        self, held: Served, file: Path, kind: str
    ) -> None:
        number = held.arm("malformed", kind=kind, after_messages=3, every=5, count=2)
        with held.open("GET", STREAM) as answer:
            found = list(islice(answer, COUNT + 2))
        bad = [n for n, line in enumerate(found) if not line.startswith(b"{")]
        assert bad == [3, 9]
        assert texts([line for line in found if line.startswith(b"{")]) == ALL
        held.wait_until_done()
        assert said(truth(file)) == ALL
        assert held.fault(number)["befell"] == 2
        for n in bad:
            with pytest.raises(ValueError):
                json.loads(found[n])

    def test_a_truncated_message_is_withheld(self, held: Served, file: Path) -> None:
        held.arm("malformed", kind="truncated", after_messages=3)
        with held.open("GET", STREAM) as answer:
            found = list(islice(answer, COUNT))
        half = found.pop(3)
        assert half.endswith(b"\r\n")
        with pytest.raises(ValueError):
            json.loads(half)
        assert texts(found) == ALL[:3] + ALL[4:]
        held.wait_until_done()
        assert said(truth(file)) == ALL[:3] + ALL[4:]
        (missed,) = undelivered(file)
        assert (missed["cause"], missed["stream"]) == ("malformed", 1)
        assert said([missed]) == ALL[3:4]

    def test_a_message_can_come_without_tags(self, held: Served, file: Path) -> None:
        held.arm("no_tag", after_messages=3, count=2)
        with held.open("GET", STREAM) as answer:
            rules = [m["matching_rules"][0] for m in messages(answer, COUNT)]
        assert [n for n, rule in enumerate(rules) if "tag" not in rule] == [3, 4]
        assert all(rule["id"] for rule in rules)
        held.wait_until_done()
        assert [line.get("fault") for line in truth(file)][2:6] == [None, "no_tag", "no_tag", None]

    def test_a_message_can_come_without_its_place(self, held: Served, file: Path) -> None:
        held.arm("no_place", after_messages=3)
        with held.open("GET", STREAM + FIELDS) as answer:
            found = messages(answer, COUNT)
        assert [n for n, message in enumerate(found) if "includes" not in message] == [3]
        held.wait_until_done()
        assert found[3]["data"]["geo"] == {"place_id": "place CA"}
        assert [n for n, line in enumerate(truth(file)) if line.get("fault") == "no_place"] == [3]

    def test_a_message_can_come_twice_so_many_messages_later(self, held: Served, file: Path) -> None:
        held.arm("duplicate", later=2, after_messages=3)
        with held.open("GET", STREAM) as answer:
            found = [m["data"]["text"] for m in messages(answer, COUNT + 1)]
        assert found == [*ALL[:6], ALL[3], *ALL[6:]]
        held.wait_until_done()
        assert said(truth(file)) == found
        assert [n for n, line in enumerate(truth(file)) if line.get("by") == "duplicate"] == [6]

    def test_disorder_is_within_its_window_and_the_same_for_one_seed(self, held: Served, file: Path) -> None:
        number = held.arm("disorder", window=6, seed=3, count=2)
        with held.open("GET", STREAM) as answer:
            found = [m["data"]["text"] for m in messages(answer, COUNT)]
        assert found != ALL
        assert [sorted(found[n : n + 6]) for n in (0, 6)] == [sorted(ALL[:6]), sorted(ALL[6:12])]
        assert found[12:] == ALL[12:]
        first = ALL[:6]
        random.Random("3 0").shuffle(first)
        assert found[:6] == first
        held.wait_until_done()
        assert said(truth(file)) == found
        assert held.fault(number)["befell"] == 2

    def test_the_last_window_of_disorder_is_sent_though_it_is_not_full(self, held: Served) -> None:
        held.arm("disorder", window=15, seed=3, count=2)
        with held.open("GET", STREAM) as answer:
            found = [m["data"]["text"] for m in messages(answer, COUNT)]
        assert sorted(found[15:]) == sorted(ALL[15:])

    def test_a_fault_of_messages_ends_with_its_seconds(self, held: Served) -> None:
        number = held.arm("no_tag", seconds=0.2)
        assert held.wait_until_past(number)["befell"] == 0
        with held.open("GET", STREAM) as answer:
            assert all("tag" in m["matching_rules"][0] for m in messages(answer, COUNT))


class TestGaps:
    def test_a_gap_takes_posts_from_a_connected_stream(self, held: Served, file: Path) -> None:
        number = held.arm("gap", after_messages=5, count=4)
        with held.open("GET", STREAM) as answer:
            found = [m["data"]["text"] for m in messages(answer, COUNT - 4)]
        assert found == ALL[:5] + ALL[9:]
        held.wait_until_done()
        assert said(undelivered(file)) == ALL[5:9]
        assert {line["cause"] for line in undelivered(file)} == {"gap"}
        assert held.fault(number)["befell"] == 4

    def test_a_gap_takes_posts_though_nobody_is_connected(self, tmp_path: Path, file: Path) -> None:
        tweets = stored(tmp_path / "tweets.json", *numbered(COUNT))
        script = tmp_path / "faults.toml"
        script.write_text('[[fault]]\nfault = "gap"\nat_message = 10\ncount = 3\n')
        arguments = ["--tweets", tweets, "--rate", "20", "--truth", file, "--script", script]
        with serving(tmp_path, *arguments) as running:
            running.add_rules("place_country:CA")
            running.wait(lambda status: status["state"] == "done", "the source has ended")
        missed = undelivered(file)
        assert said([line for line in missed if line["cause"] == "gap"]) == ALL[10:13]
        assert {line["cause"] for line in missed} == {"gap", "no stream"}


class TestTokens:
    def test_a_fault_befalls_only_the_token_that_it_names(self, tmp_path: Path) -> None:
        tweets = stored(tmp_path / "tweets.json", *numbered(COUNT))
        arguments = ["--tweets", tweets, "--speed", "0", "--hold", "--hold-streams", "2", "--control"]
        with serving(tmp_path, *arguments, tokens=["one", "two"]) as running:
            for token in running.tokens:
                running.add_rules("place_country:CA", who=token)
            running.arm("disconnect", after_messages=5, **of("two"))
            one = running.open("GET", STREAM, who="one")
            found, how = rest(running.open("GET", STREAM, who="two"))
            assert (texts(found), how) == (ALL[:5], "closed")
            with running.open("GET", STREAM, who="two") as again:
                assert len(messages(again, 15)) == 15
                assert len(messages(one, COUNT)) == COUNT
            one.close()
