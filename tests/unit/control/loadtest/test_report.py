"""The report: one file, all numbers in it, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from citypulse.control.loadtest import report, summary
from citypulse.control.loadtest.drawing import Line, picture
from citypulse.control.loadtest.limits import Limit
from citypulse.control.loadtest.result import Curve, Result
from citypulse.control.loadtest.verdict import faults, footprints
from citypulse.control.steps import console

from .made import process, result

LIMITS = {"kafka": Limit(1, 500)}
VOID = {"meta", "line", "polyline"}


class Page(HTMLParser):
    """Its text, and whether all that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open, self.tags = "", [""], []
        self.feed(page)
        assert self.open == [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag == "polyline":
            return
        assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th", "dt", "p") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def made(one: Result) -> str:
    return report.page(one, footprints(one.processes, LIMITS), faults(one, LIMITS))


def test_it_shows_every_process_against_its_limit() -> None:
    page = Page(made(result(process("kafka1", 0.42, 380), process("replay-load", 1.23, 77))))
    text = " ".join(page.text.split())
    assert "It passes" in text
    assert "kafka1 0.42 0.42 1 42% at most 0.42 cores 380 380 500 76%" in text
    assert "replay-load 1.23 1.23 at most" in text
    assert "99 % beyond the last bound" in text
    assert "12,000 of 12,000 planned tweets, 200.0 of 200.0 a second" in text
    assert "kafka 127.0.0.1:9411 61%" in text


def test_what_is_wrong_stands_first_and_in_the_table() -> None:
    page = made(result(process("kafka1", 0.1, 450), proof="The run <b>load</b> does not hold."))
    assert "It fails" in page
    assert "The run &lt;b&gt;load&lt;/b&gt; does not hold." in page
    assert "kafka1 had 450 MB resident" in page
    assert '<td class="n bad">90%</td>' in page


def test_it_loads_nothing_from_anywhere_and_runs_nothing() -> None:
    page = made(result(process("kafka1")))
    assert re.findall(r"(?:https?:)?//\w|url\(|@import", page) == []
    tags = Page(page).tags
    assert {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object"} == set()
    assert not any({"src", "href"} & attributes.keys() for _, attributes in tags)
    assert "default-src 'none'" in page


def test_it_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    one = result(process("kafka1"))
    report.write(tmp_path / "report.html", one, footprints(one.processes, LIMITS), [])
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_result_is_the_same_after_it_was_kept() -> None:
    one = result(process("kafka1"))
    assert msgspec.json.decode(msgspec.json.encode(one), type=Result) == one


def test_a_picture_keeps_its_peaks_and_draws_the_limit() -> None:
    curve = Curve([float(n) for n in range(5000)], [9.0 if n == 1234 else 1.0 for n in range(5000)])
    drawn = picture(
        [Line("cores", curve, "cpu")], seconds=5000, top=9, limit=4.5, width=100, height=90, says="cores"
    )
    points = re.findall(r'points="([^"]*)"', drawn)[0].split()
    assert len(points) <= 600
    assert min(float(point.split(",")[1]) for point in points) == 0
    assert 'y1="45.0"' in drawn


def test_the_terminal_has_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    one = result(process("kafka1", 0.42, 380))
    with console.capture() as captured:
        summary.show(one, footprints(one.processes, LIMITS))
    text = captured.get()
    assert "Accepted: 12,000 of 12,000 planned tweets" in text
    assert "950 not counted; all was counted 9 s later" in text
    assert re.search(r"kafka1 *│ *0\.42 │ 0\.42 │ *1 │ *42% │ *380 │ *380 │ *500 │ *76%", text)
