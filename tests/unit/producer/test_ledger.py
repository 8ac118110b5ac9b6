"""The ledger finds what is missing, and only that."""

import json
from collections import Counter
from pathlib import Path

import pytest

from citypulse.events.gap import Gap
from citypulse.producer import ledger
from citypulse.producer.config import Config, Feed, Journal
from citypulse.producer.errors import BadInputError
from citypulse.producer.gaps.file import GapFile
from citypulse.producer.journal import cursor, segment
from citypulse.producer.journal.writer import Writer
from citypulse.producer.ledger import topics as topics_


def payload(number: int, tag: str = "citypulse/main/all/1") -> bytes:
    return json.dumps({"data": {"id": str(number)}, "matching_rules": [{"id": "1", "tag": tag}]}).encode()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        feeds=(Feed("all", ("CA",)), Feed("fr", ("FR",), topic="tweets.fr")),
        journal=Journal(str(tmp_path / "journal")),
    )


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    held: dict[str, list[int]] = {"tweets": [], "tweets.fr": []}
    monkeypatch.setattr(topics_, "read", lambda _config, topic: topics_.Topic(Counter(held[topic]), 0))
    return held


def journal(config: Config, *payloads: bytes) -> None:
    writer = Writer(Path(config.journal.dir), 1 << 20)
    writer.append([(1_700_000_000_000 + n, data) for n, data in enumerate(payloads)])
    writer.close()
    cursor.store(Path(config.journal.dir), writer.next_sequence)


def truth(path: Path, *payloads: bytes) -> Path:
    lines = [{"truth": 1, "source": "test", "seed": 1}]
    lines += [
        {"at": 1_900_000_000_000, "stream": 1, "token": "00000000", "message": json.loads(data)}
        for data in payloads
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_nothing_is_missing_where_everything_arrived(config: Config, topics: dict[str, list[int]]) -> None:
    journal(config, payload(1), payload(2), payload(2), b"{no post", payload(3, "somebody's"))
    topics["tweets"] = [1, 2, 2, 9]
    report = ledger.compare(config, [], 0)
    (account,) = report.accounts
    assert report.well
    assert (account.messages, account.ids, account.missing, account.extra) == (5, 2, 0, 1)
    assert (account.no_posts, account.foreign, report.duplicates, report.unsent) == (1, 1, 1, 0)
    assert (report.kept_from, report.kept_to) == (1_700_000_000_000, 1_700_000_000_004)


def test_an_id_that_is_in_the_journal_and_not_in_its_topic_is_missing(
    config: Config, topics: dict[str, list[int]]
) -> None:
    journal(config, payload(1), payload(2, "citypulse/main/fr/1"))
    topics["tweets"] = [1, 2]
    report = ledger.compare(config, [], 0)
    assert not report.well
    assert report.accounts[0].missing == 1
    assert report.accounts[0].examples == [2]
    assert not ledger.run(config, None, 0, as_json=False)


def test_what_replay_sent_is_looked_for_too(
    config: Config, topics: dict[str, list[int]], tmp_path: Path
) -> None:
    journal(config, payload(1))
    topics["tweets"] = [1]
    sent = truth(tmp_path / "truth.jsonl", payload(1), payload(2), payload(3, "citypulse/other/all/1"))
    report = ledger.compare(config, [sent], 0)
    assert [(account.name, account.missing) for account in report.accounts] == [
        ("journaled", 0),
        ("sent by replay", 1),
    ]
    assert report.accounts[1].foreign == 1
    assert not report.well


def test_a_line_of_truth_that_is_being_written_is_left(
    config: Config, topics: dict[str, list[int]], tmp_path: Path
) -> None:
    journal(config, payload(1))
    topics["tweets"] = [1]
    sent = truth(tmp_path / "truth.jsonl", payload(1))
    with sent.open("a") as file:
        file.write('{"at":1,"mess')
    assert ledger.compare(config, [sent], 0).well


def test_truth_that_is_none_is_named(config: Config, topics: dict[str, list[int]], tmp_path: Path) -> None:
    journal(config, payload(1))
    (tmp_path / "bad").write_text("not json\n")
    with pytest.raises(BadInputError, match="line 1"):
        ledger.compare(config, [tmp_path / "bad"], 0)


def test_what_is_not_acknowledged_yet_is_counted(config: Config, topics: dict[str, list[int]]) -> None:
    journal(config, payload(1), payload(2), payload(3))
    cursor.store(Path(config.journal.dir), 2)
    topics["tweets"] = [1]
    report = ledger.compare(config, [], 0)
    assert report.unsent == 2
    assert report.accounts[0].missing == 2


def test_without_a_journal_there_is_nothing_to_compare(config: Config) -> None:
    with pytest.raises(BadInputError, match=r"journal\.dir"):
        ledger.compare(config, [], 0)


def test_a_post_that_is_no_event_is_not_well(config: Config, topics: dict[str, list[int]]) -> None:
    journal(config, payload(1), b'{"data":{"id":"seven"}}')
    topics["tweets"] = [1]
    report = ledger.compare(config, [], 0)
    assert (report.accounts[0].unusable, report.accounts[0].no_posts, report.well) == (1, 0, False)


def test_a_corrupt_journal_is_not_well(config: Config, topics: dict[str, list[int]]) -> None:
    journal(config, payload(1), payload(2), payload(3))
    ((_, written),) = segment.paths(Path(config.journal.dir))
    content = written.read_bytes()
    middle = content.index(b'"id": "2"')
    written.write_bytes(content[:middle] + b"X" + content[middle + 1 :])
    topics["tweets"] = [1, 3]
    report = ledger.compare(config, [], 0)
    assert (report.corrupt, report.accounts[0].missing, report.well) == (1, 0, False)


def test_what_retention_took_is_not_judged(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal(config, payload(1), payload(2), payload(3))
    reach = 1_700_000_000_001
    monkeypatch.setattr(topics_, "read", lambda _config, _topic: topics_.Topic(Counter([3]), reach))
    assert ledger.run(config, [], 0, as_json=False)
    assert "2 ids are older than Kafka's retention" in capsys.readouterr().out


def undelivered(path: Path, *entries: tuple[int, int, str]) -> None:
    """What replay could not deliver: id, when, why."""
    lines = [
        {"at": at, "stream": 1, "token": "00000000", "cause": cause, "message": json.loads(payload(number))}
        for number, at, cause in entries
    ]
    path.with_name(path.name + ".undelivered").write_text("".join(json.dumps(line) + "\n" for line in lines))


def record(config: Config, gap_id: str, start: int, end: int | None, filled_by: str = "") -> None:
    book = GapFile(Path(config.journal.dir))
    book.record(Gap(gap_id, "main", ("all",), ("CA",), start, end, "network", filled_by), "")
    book.close()


class TestWhatXSentAndWeDoNotHave:
    """It is explained by a gap that is open, and by nothing else."""

    SENT = 1_900_000_000_000

    @pytest.fixture
    def sent(self, config: Config, topics: dict[str, list[int]], tmp_path: Path) -> Path:
        journal(config, payload(1))
        topics["tweets"] = [1]
        return truth(tmp_path / "truth.jsonl", payload(1), payload(2))

    @pytest.mark.parametrize(
        ("start", "end", "filled_by", "well"),
        [
            (SENT - 5, SENT + 5, "", True),
            (SENT, None, "", True),
            (SENT + 1, SENT + 5, "", False),
            (SENT - 5, SENT - 1, "", False),
            (SENT - 5, SENT + 5, "search", False),
        ],
    )
    def test_only_inside_an_open_gap(
        self, config: Config, sent: Path, start: int, end: int | None, filled_by: str, well: bool
    ) -> None:
        record(config, "g", start, end, filled_by)
        report = ledger.compare(config, [sent], 0)
        account = report.accounts[1]
        assert (account.missing, account.in_gaps, report.well) == (1, int(well), well)
        assert account.lost == {2}
        assert (report.gaps, report.open_gaps) == (1, int(not filled_by))

    def test_what_was_never_delivered_counts_as_sent_from_the_first_delivery_on(
        self, config: Config, sent: Path
    ) -> None:
        late, early = self.SENT + 10, self.SENT - 10
        undelivered(sent, (3, late, "no stream"), (4, early, "no stream"), (2, self.SENT, "in doubt"))
        account = ledger.compare(config, [sent], 0).accounts[1]
        assert account.lost == {2, 3}
        assert account.messages == 3

    def test_what_was_sent_twice_must_lie_in_gaps_each_time(self, config: Config, sent: Path) -> None:
        undelivered(sent, (2, self.SENT + 100, "unsent"))
        record(config, "g", self.SENT - 5, self.SENT + 5)
        assert not ledger.compare(config, [sent], 0).well
        record(config, "h", self.SENT + 95, self.SENT + 105)
        assert ledger.compare(config, [sent], 0).well

    def test_no_gap_explains_what_was_journaled(self, config: Config, topics: dict[str, list[int]]) -> None:
        journal(config, payload(1), payload(2))
        topics["tweets"] = [1]
        record(config, "g", 0, None)
        report = ledger.compare(config, [], 0)
        assert (report.accounts[0].missing, report.accounts[0].in_gaps, report.well) == (1, 0, False)


def test_a_post_that_was_removed_on_demand_is_no_loss(config: Config, topics: dict[str, list[int]]) -> None:
    journal(config, payload(1), b"")
    topics["tweets"] = [1]
    report = ledger.compare(config, [], 0)
    assert (report.accounts[0].forgotten, report.accounts[0].no_posts, report.well) == (1, 0, True)


def test_a_lost_segment_is_not_well(config: Config, topics: dict[str, list[int]]) -> None:
    directory = Path(config.journal.dir)
    writer = Writer(directory, 4096)
    for number in range(1, 301):
        writer.append([(1_700_000_000_000 + number, payload(number))])
    writer.close()
    paths = segment.paths(directory)
    lost = range(paths[1][0], paths[2][0])
    paths[1][1].unlink()
    topics["tweets"] = [number for number in range(1, 301) if number not in lost]
    report = ledger.compare(config, [], 0)
    assert (report.corrupt, report.well) == (1, False)
    # Behind the cursor it may have been pruned while this was read.
    cursor.store(directory, 301)
    assert ledger.compare(config, [], 0).corrupt == 0


def test_a_journal_that_ends_before_its_cursor_is_not_well(
    config: Config, topics: dict[str, list[int]]
) -> None:
    journal(config, payload(1), payload(2), payload(3))
    ((_, written),) = segment.paths(Path(config.journal.dir))
    content = bytearray(written.read_bytes())
    content[-3] ^= 1
    written.write_bytes(content)
    topics["tweets"] = [1, 2]
    report = ledger.compare(config, [], 0)
    assert (report.accounts[0].missing, report.corrupt, report.well) == (0, 1, False)


def test_where_nothing_can_be_judged_nothing_is_well(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    journal(config, payload(1), payload(2))
    monkeypatch.setattr(topics_, "read", lambda _config, _topic: topics_.Topic(Counter(), 2_000_000_000_000))
    assert not ledger.run(config, [], 0, as_json=False)
    assert "nothing could be judged" in capsys.readouterr().out
