"""Anchors: validated counts as CSV, to hold the tables against without the tweets.

Three files in a directory, each `city,date,count`: a row for a city (by the name that is shown) and a window
(`2022-09-26 03:15:00`, UTC, its start), where the count is not 0.

- anchor_tweets.csv: tweets;
- anchor_retweets.csv: tweets that reference another (tweets - originals), as such files have always called
them;
- anchor_uniqueusers.csv: distinct users.

They speak of the feed `all`. Cities of the same name have a row each.
"""

import csv
import datetime
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from citypulse.spark.errors import BadInputError
from citypulse.spark.verify.stored import Rows

FILES = {
    "anchor_tweets.csv": "tweets",
    "anchor_retweets.csv": "retweets",
    "anchor_uniqueusers.csv": "users",
}

Anchors = dict[str, Counter[tuple[str, str, int]]]
"""By file name: how often it has a row of city, date, count."""

_HEAD = ["city", "date", "count"]
_DATE = "%Y-%m-%d %H:%M:%S"


def from_table(city_windows: Rows) -> Anchors:
    """The anchors that a table amounts to."""
    result: Anchors = {file: Counter() for file in FILES}
    for (feed, _, city_id, start), row in city_windows.items():
        if feed != "all":
            continue
        values = {
            "tweets": row["tweets"],
            "retweets": row["tweets"] - row["originals"],
            "users": row["active_users"],
        }
        date = datetime.datetime.fromtimestamp(start / 1000, datetime.UTC).strftime(_DATE)
        for file, value in FILES.items():
            if values[value]:
                result[file][row["name"] or city_id, date, values[value]] += 1
    return result


def read(directory: Path) -> Anchors:
    """The anchors of a directory.

    Raises:
        BadInputError: a file is missing or holds something else; names file and line.
    """
    result: Anchors = {}
    for file in FILES:
        path = directory / file
        try:
            with path.open(newline="", encoding="utf-8") as lines:
                result[file] = _rows(path, csv.reader(lines))
        except OSError as error:
            raise BadInputError(f"--anchors: {path} cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise BadInputError(f"--anchors: {path} is not UTF-8: {error}") from error
    return result


def outside(wanted: Anchors, found: Anchors) -> list[str]:
    """The windows of `found` before the first and after the last of `wanted`, sorted.

    What was counted there is of another source.
    """
    dates = _dates(wanted)
    return sorted(date for date in _dates(found) if dates and not min(dates) <= date <= max(dates))


def write(directory: Path, anchors: Anchors) -> None:
    """Write the three files, sorted by window and city.

    Raises:
        BadInputError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            with (directory / file).open("w", newline="", encoding="utf-8") as lines:
                out = csv.writer(lines, lineterminator="\n")
                out.writerow(_HEAD)
                rows: list[tuple[str, str, int]] = list(anchors[file].elements())
                rows.sort(key=_by_window)
                out.writerows(rows)
    except OSError as error:
        raise BadInputError(f"--write-anchors: {directory} cannot be written ({error.strerror})") from error


def _dates(some: Anchors) -> set[str]:
    return {date for rows in some.values() for _, date, _ in rows}


def _rows(path: Path, lines: Iterator[list[str]]) -> Counter[tuple[str, str, int]]:
    result: Counter[tuple[str, str, int]] = Counter()
    if next(lines, None) != _HEAD:
        raise BadInputError(f"--anchors: {path} does not begin with {','.join(_HEAD)}")
    for number, row in enumerate(lines, 2):
        try:
            city, date, count = row
            datetime.datetime.strptime(date, _DATE)
            result[city, date, _whole(count)] += 1
        except ValueError as error:
            raise BadInputError(
                f"--anchors: {path} line {number} is no city, date and count: {error}"
            ) from error
    return result


def _by_window(row: tuple[str, str, int]) -> tuple[str, str, int]:
    city, date, count = row
    return date, city, count


def _whole(count: str) -> int:
    if not float(count).is_integer():
        raise ValueError(f"{count} is no whole number")
    return int(float(count))
