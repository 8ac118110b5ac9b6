"""What replay and the producer are told for a demo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from citypulse.control.demand import from_environment
from citypulse.control.faults import Exit, Fault
from citypulse.control.source import source


def _page(place: dict[str, str]) -> str:
    tweet = {
        "id": "1",
        "text": "",
        "geo": {"place_id": place["id"]},
        "created_at": "2024-01-01T00:00:00.000Z",
    }
    return json.dumps({"data": [tweet], "includes": {"places": [place]}})


def test_the_rule_of_a_file_ors_every_country_found_in_it(tmp_path: Path) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text(
        "\n".join(_page({"id": code, "country_code": code, "place_type": "city"}) for code in ("gb", "CA"))
    )
    assert source(from_environment({"TWEETS": str(file)})).countries == ("CA", "GB")


def test_a_file_without_countries_asks_for_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text(_page({"id": "a", "place_type": "city"}))
    assert source(from_environment({"TWEETS": str(file)})).countries == ("all",)


def test_countries_that_are_given_win_over_those_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text(_page({"id": "a", "country_code": "CA", "place_type": "city"}))
    assert source(from_environment({"TWEETS": str(file), "COUNTRIES": "gb"})).countries == ("GB",)


def test_bad_lines_are_counted_and_the_first_is_shown_while_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text(_page({"id": "a", "country_code": "CA", "place_type": "city"}) + "\nnot JSON\n{\n")
    assert source(from_environment({"TWEETS": str(file)})).countries == ("CA",)
    said = capsys.readouterr().out
    assert "2 of 3 lines" in said
    assert "line 2" in said


def test_a_file_without_a_tweet_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text("not JSON\n")
    with pytest.raises(Fault, match="holds no tweet") as caught:
        source(from_environment({"TWEETS": str(file)}))
    assert caught.value.code == Exit.BAD_INPUT


def test_the_generator_plays_at_the_rate_for_the_duration() -> None:
    what = source(from_environment({"RATE": "2000", "DURATION": "3m"}))
    assert what.replay["play"]["rate"] == 2000
    assert what.replay["generator"]["duration_seconds"] == 180
    assert what.replay["source"] == {"generate": True}


def test_tweets_without_any_place_are_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text('{"data":{"id":"1","text":""}}')
    with pytest.raises(Fault, match="none of its 1 tweets has a place") as caught:
        source(from_environment({"TWEETS": str(file)}))
    assert caught.value.code == Exit.BAD_INPUT


def test_places_without_a_country_are_said_to_count_under_zz(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tweets.jsonl"
    file.write_text(_page({"id": "a", "place_type": "city"}))
    source(from_environment({"TWEETS": str(file), "COUNTRIES": "CA GB"}))
    assert "under ZZ" in capsys.readouterr().out
    source(from_environment({"TWEETS": str(file), "COUNTRIES": "CA"}))
    assert "ZZ" not in capsys.readouterr().out


def test_how_long_it_takes_is_said_where_it_is_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tweets.jsonl"
    pages = [_page({"id": year, "country_code": "CA", "place_type": "city"}) for year in ("2022", "2024")]
    pages[0] = pages[0].replace("2024-01-01", "2022-01-01")
    file.write_text("\n".join(pages))
    assert "1261440 s" in source(from_environment({"TWEETS": str(file)})).title.replace(",", "")
    assert "RATE=50" in capsys.readouterr().out
    source(from_environment({"TWEETS": str(file), "RATE": "1"}))
    assert "RATE=50" not in capsys.readouterr().out
