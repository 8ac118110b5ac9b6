"""Anchors: from rows to CSV and back."""

from pathlib import Path

import pytest

from citypulse.spark.config import Config
from citypulse.spark.errors import BadInputError, StopError
from citypulse.spark.verify import against, anchors

START = 1664162100000


def row(name: str, tweets: int, originals: int, users: int) -> dict:
    return {"name": name, "tweets": tweets, "originals": originals, "active_users": users}


ROWS = {
    ("all", "CA", "CA:1", START): row("Val-d'Or, Québec", 3, 1, 2),
    ("all", "CA", "CA:2", START): row("London", 1, 1, 1),
    ("all", "GB", "GB:2", START): row("London", 1, 1, 1),
    ("all", "GB", "GB:3", START): row('"Quoted", with comma', 2, 2, 1),
    ("vote", "GB", "GB:2", START): row("London", 9, 9, 9),
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = anchors.from_table(ROWS)
    anchors.write(tmp_path / "new" / "directory", made)
    assert anchors.read(tmp_path / "new" / "directory") == made


def test_rows_are_of_the_feed_all_and_not_zero() -> None:
    made = anchors.from_table(ROWS)
    assert sum(made["anchor_tweets.csv"].values()) == 4
    assert dict(made["anchor_retweets.csv"]) == {("Val-d'Or, Québec", "2022-09-26 03:15:00", 2): 1}


def test_namesakes_have_a_row_each() -> None:
    assert anchors.from_table(ROWS)["anchor_tweets.csv"]["London", "2022-09-26 03:15:00", 1] == 2


def test_tables_of_another_source_are_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as so many differences, as long as the times tell."""
    anchors.write(tmp_path, anchors.from_table(ROWS))
    later = {("all", "CA", "CA:1", START + 300_000): row("Toronto", 1, 1, 1)}
    monkeypatch.setattr(against, "_read", lambda _config, _name: {"city_windows": {**ROWS, **later}})
    with pytest.raises(BadInputError, match="1 windows lie outside its time, the first at 2022-09-26 03:20"):
        against.against_anchors(Config(), tmp_path)


def test_differences_are_shown_with_names_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    anchors.write(tmp_path, anchors.from_table(ROWS))
    other = {("all", "CA", "CA:9", START): row("[/bold] Nowhere", 1, 1, 1)}
    monkeypatch.setattr(against, "_read", lambda _config, _name: {"city_windows": {**ROWS, **other}})
    with pytest.raises(StopError, match="2 of 11 cells differ"):
        against.against_anchors(Config(), tmp_path)
    assert "[/bold] Nowhere" in capsys.readouterr().out


def test_counts_may_be_written_with_a_point_and_lines_may_end_as_elsewhere(tmp_path: Path) -> None:
    for file in anchors.FILES:
        (tmp_path / file).write_bytes(b'city,date,count\r\n"London",2022-09-26 03:15:00,1.0\r\n')
    assert anchors.read(tmp_path)["anchor_tweets.csv"] == {("London", "2022-09-26 03:15:00", 1): 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin with city,date,count"),
        ("a,b,c\n", "does not begin with city,date,count"),
        ("city,date,count\nLondon,2022-09-26 03:15:00\n", "line 2 is no city, date and count"),
        ("city,date,count\nLondon,yesterday,1\n", "line 2 is no city, date and count"),
        ("city,date,count\nLondon,2022-09-26 03:15:00,1.5\n", "1.5 is no whole number"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    anchors.write(tmp_path, anchors.from_table(ROWS))
    (tmp_path / "anchor_retweets.csv").write_text(text)
    with pytest.raises(BadInputError, match=r"anchor_retweets\.csv") as caught:
        anchors.read(tmp_path)
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"anchor_tweets\.csv cannot be read"):
        anchors.read(tmp_path)
