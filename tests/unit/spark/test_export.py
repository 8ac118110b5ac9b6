"""What is exported, and how it stands in a file."""

import io
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from citypulse.spark.errors import BadInputError
from citypulse.spark.export import files, select
from citypulse.spark.export.select import Selection

SPAN = 0, 1 << 50
ROW = {
    "feed": "all",
    "country": "CA",
    "city_id": "CA:1",
    "name": 'Val-d\'Or, "Québec"',
    "lat": 48.1,
    "lon": None,
    "window_start": 1_769_860_800_000,
    "tweets": 3,
    "originals": 1,
    "replies": 1,
    "quotes": 1,
    "retweets": None,
    "active_users": 2,
    "updated_at": 1_769_860_800_123,
}


def test_a_selection_names_its_table_and_columns() -> None:
    cities, countries = Selection(SPAN, "window"), Selection(SPAN, "hour", countries=True)
    assert (cities.table, countries.table) == ("city_windows", "country_hours")
    assert "window_start" in cities.columns
    assert "gap_seconds" not in cities.columns
    assert {"hour_start", "gap_seconds", "unresolved"} <= set(countries.columns)
    assert "users_sketch" not in (*cities.columns, *countries.columns)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, True),
        ({"feed": "all", "country": "CA", "city": "CA:1"}, True),
        ({"feed": "vote"}, False),
        ({"country": "GB"}, False),
        ({"city": "CA:2"}, False),
    ],
)
def test_only_the_wanted_partitions_are_read(options: dict[str, str], wanted: bool) -> None:
    key = {"feed": "all", "country": "CA", "city_id": "CA:1"}
    assert Selection(SPAN, "window", **options).wants(key) == wanted  # type: ignore[arg-type]


def test_rows_come_sorted_by_place_and_from_the_oldest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition has its newest window first."""
    there = [{**ROW, "city_id": city, "window_start": start} for city in ("CA:1", "CA:2") for start in (2, 1)]
    monkeypatch.setattr(select.spans, "read", lambda *_: iter(there))
    found = select.rows(None, "citypulse", Selection(SPAN, "window"), lambda *_: None)
    assert [(row["city_id"], row["window_start"]) for row in found] == [
        ("CA:1", 1),
        ("CA:1", 2),
        ("CA:2", 1),
        ("CA:2", 2),
    ]


def test_csv_has_a_line_of_names_times_in_iso_8601_and_nothing_for_what_is_not_known() -> None:
    target = io.StringIO()
    assert files.write_csv([ROW], list(ROW), target) == 1
    assert target.getvalue().splitlines() == [
        ",".join(ROW),
        'all,CA,CA:1,"Val-d\'Or, ""Québec""",48.1,,2026-01-31T12:00:00Z,3,1,1,1,,2,2026-01-31T12:00:00.123Z',
    ]


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def failing() -> Any:
        yield ROW
        raise RuntimeError

    with pytest.raises(RuntimeError), files.new_file(path) as target:
        files.write_csv(failing(), list(ROW), target)
    assert list(tmp_path.iterdir()) == []
    with files.new_file(path) as target:
        files.write_csv([ROW], list(ROW), target)
    assert path.read_text().count("\n") == 2


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "rows"
    with pytest.raises(BadInputError, match=f"--output {nowhere} cannot be written"), files.new_file(nowhere):
        pass
    with pytest.raises(BadInputError, match=f"--output {nowhere} cannot be written"):
        files.write_parquet([ROW], list(ROW), nowhere)


def test_parquet_holds_the_same_with_types(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    assert files.write_parquet([ROW, {**ROW, "city_id": "CA:2"}], list(ROW), path) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["rows.parquet"]
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        read = spark.read.parquet(str(path))
        assert dict(read.dtypes)["window_start"] == "timestamp"
        assert dict(read.dtypes)["tweets"] == "bigint"
        plain = read.selectExpr("*", "unix_millis(window_start) AS a", "unix_millis(updated_at) AS b")
        first = plain.orderBy("city_id").first().asDict()
    finally:
        spark.stop()
    assert (first["a"], first["b"]) == (ROW["window_start"], ROW["updated_at"])
    times = ("window_start", "updated_at", "a", "b")
    assert {name: value for name, value in first.items() if name not in times} == {
        name: value for name, value in ROW.items() if name not in times
    }
