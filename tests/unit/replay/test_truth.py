"""Whatever befalls the streams, each message that matched is accounted for once for each token."""

import asyncio
import json
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from citypulse.events.messages import Message
from citypulse.replay.api import digest
from citypulse.replay.connection import Connection
from citypulse.replay.delivery import Delivery
from citypulse.replay.fault_book import Faults
from citypulse.replay.faults import Fault, fault_of
from citypulse.replay.fields import selection
from citypulse.replay.pace import Due, Pace
from citypulse.replay.rulebook import Limits
from citypulse.replay.truth import Truth

from .rules import UNHURRIED
from .served import STREAM, messages, rest, serving, stored, truth, tweet, undelivered

TOKENS = {"0000000a": "cat", "0000000b": "cat OR dog", "0000000c": "dog"}


class Wire(web.StreamResponse):
    """What a stream writes to, and where it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    async def write(self, data: Any) -> None:
        self.written += data
        await asyncio.sleep(0)

    async def write_eof(self, data: Any = b"") -> None:
        self.written += data


class Request:
    transport = None


def faults() -> st.SearchStrategy[dict[str, Any]]:
    few = st.integers(0, 6)
    counts = st.integers(1, 4)
    token = st.sampled_from(["", *TOKENS])
    events = st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["disconnect", "cut", "cut_mid_line", "error_in_stream"]),
            "token": token,
            "after_messages": few,
            "every": few,
            "count": counts,
        }
    )
    common = {"token": token, "after_messages": few, "every": counts, "count": counts}
    spoilt = st.fixed_dictionaries({"fault": st.sampled_from(["no_tag", "no_place", "malformed"]), **common})
    cut = st.fixed_dictionaries({"fault": st.just("malformed"), "kind": st.just("truncated"), **common})
    copies = st.fixed_dictionaries({"fault": st.just("duplicate"), "later": few, **common})
    mixed = st.fixed_dictionaries(
        {"fault": st.just("disorder"), "window": st.integers(2, 5), "seed": few, **common}
    )
    gaps = st.fixed_dictionaries(
        {"fault": st.just("gap"), "token": token, "after_messages": few, "count": counts}
    )
    return events | spoilt | cut | copies | mixed | gaps


def posts(words: list[str]) -> list[Message]:
    return [Message({"id": str(n + 1), "text": word}) for n, word in enumerate(words)]


async def play(
    directory: Path, words: list[str], faults: list[Fault], hold: bool, connected: list[str]
) -> bytes:
    """Play the posts as fast as it goes to clients of these tokens that come back at once; what they got."""
    book = Faults()
    record = Truth(directory / "truth", b"")
    delivery = Delivery(
        lambda start_ms: iter([Due(0.0, post) for post in posts(words)]),
        Pace(speed=0),
        record,
        Limits(),
        hold_streams=len(connected) if hold else 0,
        buffer_bytes=1 << 20,
        faults=book,
    )
    for token, value in TOKENS.items():
        delivery.rulebook(token).add([{"value": value, "tag": "t"}], dry_run=False)
    for fault in faults:
        book.arm(fault)
    numbers, received = count(1), []

    async def client(token: str) -> None:
        while delivery.state != "done":
            stream = Connection(
                next(numbers),
                token,
                delivery.rulebook(token),
                selection({}),
                record,
                book,
                keep_alive=60,
                gzip_level=0,
            )
            wire = Wire()
            delivery.connect(stream)
            try:
                await stream.run(Request(), wire)  # type: ignore[arg-type]
            finally:
                received.append(wire.written)
                delivery.disconnect(stream)
            await asyncio.sleep(0)

    clients = [asyncio.create_task(client(token)) for token in connected]
    # In the usual order clients are there first.
    await asyncio.sleep(0)
    await asyncio.wait_for(delivery.play(), 60)
    for task in clients:
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    delivery.close()
    record.close()
    return b"".join(received)


def accounted(directory: Path) -> Counter[tuple[str, str]]:
    """How often each (token, id) is told as a first delivery or as undelivered."""
    first = [line for line in truth(directory / "truth") if "by" not in line]
    missed = [line for line in undelivered(directory / "truth") if line["cause"] != "in doubt"]
    return Counter((line["token"], line["message"]["data"]["id"]) for line in first + missed)


def matched(words: list[str]) -> Counter[tuple[str, str]]:
    return Counter(
        (token, str(n + 1))
        for token, rule in TOKENS.items()
        for n, word in enumerate(words)
        if word in rule.split()
    )


@UNHURRIED
@given(
    words=st.lists(st.sampled_from(["cat", "dog", "cow"]), min_size=1, max_size=40),
    wanted=st.lists(faults(), max_size=5),
    hold=st.booleans(),
    connected=st.sampled_from([["0000000a"], ["0000000a", "0000000b"], list(TOKENS)]),
)
def test_each_message_is_in_one_of_the_two_files_once_for_each_token_it_matched(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    wanted: list[dict[str, Any]],
    hold: bool,
    connected: list[str],
) -> None:
    directory = tmp_path_factory.mktemp("run")
    read = [fault_of(dict(values), frozenset(TOKENS)) for values in wanted]
    asyncio.run(play(directory, words, read, hold, connected))
    assert accounted(directory) == matched(words)


@UNHURRIED
@given(
    many=st.integers(1, 60),
    window=st.integers(2, 12),
    seed=st.integers(0, 5),
    windows=st.integers(1, 8),
    later=st.integers(0, 10),
    copies=st.integers(1, 8),
)
def test_disorder_and_duplicates_lose_nothing_and_stay_within_their_bounds(
    tmp_path_factory: pytest.TempPathFactory,
    many: int,
    window: int,
    seed: int,
    windows: int,
    later: int,
    copies: int,
) -> None:
    directory = tmp_path_factory.mktemp("run")
    wanted = [
        {"fault": "disorder", "window": window, "seed": seed, "count": windows},
        {"fault": "duplicate", "later": later, "count": copies, "token": "0000000a"},
    ]
    read = [fault_of(values, frozenset(TOKENS)) for values in wanted]
    received = asyncio.run(play(directory, ["cat"] * many, read, True, ["0000000a"]))
    told = [(line["message"]["data"]["id"], line.get("by")) for line in truth(directory / "truth")]
    ids = [int(identity) for identity, by in told if by is None]
    assert [json.loads(line)["data"]["id"] for line in received.splitlines() if line] == [i for i, _ in told]
    assert sorted(ids) == list(range(1, many + 1))
    assert all(abs(identity - place) < window for place, identity in enumerate(ids, 1))
    twice = Counter(identity for identity, by in told if by == "duplicate")
    assert all(times == 1 for times in twice.values())
    assert len(twice) <= copies


def test_each_token_s_misses_are_recorded_though_others_are_connected(tmp_path: Path) -> None:
    """One token has a stream throughout and one at times; one never has, and one has no rules."""
    pages = [
        tweet(n, country="CA" if n % 2 else "GB", created=f"2026-01-01T00:00:{n // 10:02d}.{n % 10}00Z")
        for n in range(300)
    ]
    file, script = tmp_path / "truth", tmp_path / "faults.toml"
    script.write_text(f'[[fault]]\nat_message = 150\nfault = "cut"\ntoken = "{digest("both")}"\n')
    arguments = ["--tweets", stored(tmp_path / "tweets.json", *pages), "--rate", "100", "--hold"]
    rules = {
        "ca": "place_country:CA",
        "both": "place_country:CA OR place_country:GB",
        "gb": "place_country:GB",
    }
    with serving(
        tmp_path, *arguments, "--script", script, "--truth", file, tokens=[*rules, "ruleless"]
    ) as served:
        for token, value in rules.items():
            served.add_rules(value, who=token)
        throughout = served.open("GET", STREAM, who="ca")
        messages(throughout, 20)
        at_times = served.open("GET", STREAM, who="both")
        assert rest(at_times)[1] == "reset"
        served.wait(lambda status: status["played"] >= 200, "two thirds are played")
        again = served.open("GET", STREAM, who="both")
        served.wait(lambda status: status["state"] == "done", "the source has ended")
        throughout.close()
        again.close()
    missed = [line for line in undelivered(file) if line["cause"] != "in doubt"]
    told = Counter(
        (line["token"], int(line["message"]["data"]["id"]) % 1000) for line in truth(file) + missed
    )
    assert told == Counter(
        [(digest("ca"), n) for n in range(1, 300, 2)]
        + [(digest("both"), n) for n in range(300)]
        + [(digest("gb"), n) for n in range(0, 300, 2)]
    )
    causes = {token: {line["cause"] for line in missed if line["token"] == digest(token)} for token in rules}
    assert causes == {"ca": set(), "both": {"no stream"}, "gb": {"no stream"}}
    times = [line["at"] for line in missed if line["token"] == digest("gb")]
    assert times == sorted(times)
    # Played at 100 a second: each has the time at which it was due, not that of the end.
    assert times[-1] - times[0] >= 2_900
