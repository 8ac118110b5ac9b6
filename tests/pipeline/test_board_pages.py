"""The board's pages in a real browser, with tweets of three days in a real Cassandra."""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from citypulse.board import files
from citypulse.dashboards import build
from tests.pipeline.shown import HOURS, KEYSPACE, NOW, Running
from tests.processes import Child, free_port, wait_for
from tests.system import System

DEADLINE_MS = 60_000
CITIES = ("CA:0", "CA:1", "GB:1")
PHONE = {"width": 390, "height": 844}
TWEETS = "Tweets per city"
UIDS = sorted(files.read(file).uid for file in build.DIRECTORY.glob("*.json"))

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine to open pages in: apt-get install chromium")
    # Chromium has no sandbox for root.
    more = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=more)
        yield opened
        opened.close()


@pytest.fixture
def view(running: Running, system: System, browser: Browser) -> Iterator[Open]:
    """Opens a dashboard of the installed board. Nothing may go wrong in it, or be loaded from elsewhere."""
    board = f"http://127.0.0.1:{system.installation.port(3000)}"
    faults: list[str] = []
    page = browser.new_page(locale="en-GB", timezone_id="UTC")
    page.set_default_timeout(DEADLINE_MS)
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(board) else faults.append(asked.url))

    def open_(name: str, **more: object) -> Page:
        time = HOURS["window"]
        query = {"var-keyspace": KEYSPACE, "from": time.since, "to": time.until, "refresh": "off", **more}
        page.goto(f"{board}/d/{name}?{urlencode(query, doseq=True)}")
        page.wait_for_selector("body[data-looked]")
        return page

    yield open_
    page.close()
    assert faults == []


def legend(page: Page, title: str) -> dict[str, list[str]]:
    """The rows of the table beside a panel's lines."""
    rows = page.locator("section", has=page.get_by_role("heading", name=title, exact=True)).locator(
        ".legend tbody tr"
    )
    return {cells[0]: cells[1:] for cells in (row.locator("td").all_inner_texts() for row in rows.all())}


def counted(running: Running, column: str) -> dict[str, list[int]]:
    """Each city's counts by window, oldest first, of the cities and hours that are shown."""
    time = HOURS["window"]
    cells = sorted(running.windows.cells.items(), key=lambda item: item[0][3])
    found: dict[str, list[int]] = {}
    for (feed, country, city, start), cell in cells:
        if feed == "all" and city in CITIES and time.since <= start <= time.until:
            name = running.windows.cities[country, city].name or ""
            found.setdefault(name, []).append(getattr(cell, column))
    return found


@pytest.mark.parametrize("column", ["tweets", "retweets"])
def test_the_numbers_of_the_page_are_those_of_the_tables(running: Running, view: Open, column: str) -> None:
    page = view("citypulse-trends", **{"var-city": CITIES})
    wanted = {
        name: [f"{values[-1]:,}", f"{max(values):,}", f"{sum(values):,}"]
        for name, values in counted(running, column).items()
    }
    assert legend(page, f"{column.capitalize()} per city") == wanted
    assert len(wanted) == 3


def test_a_city_that_is_chosen_is_the_one_that_is_drawn(running: Running, view: Open) -> None:
    page = view("citypulse-trends")
    assert len(legend(page, TWEETS)) > 7
    (name,) = (running.windows.cities[city[:2], city].name for city in ("JP:3",))
    page.locator("#choose-city summary").click()
    page.get_by_role("searchbox", name="Find in Cities").fill(name or "")
    page.get_by_role("checkbox", name=name, exact=True).check()
    expect(page.locator("section .legend").first.locator("tbody tr")).to_have_count(1)
    assert list(legend(page, TWEETS)) == [name]
    # What is shown can be handed on.
    assert "var-city=JP%3A3" in page.url
    page.reload()
    page.wait_for_selector("body[data-looked]")
    assert list(legend(page, TWEETS)) == [name]


def test_a_line_is_switched_off_and_on(view: Open) -> None:
    page = view("citypulse-trends", **{"var-city": CITIES})
    button = page.locator("section .legend button").first
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_list_is_that_of_the_ranks(running: Running, view: Open) -> None:
    page = view("citypulse-now", **{"var-span": "day", "var-n": "10"})
    panel = page.locator("section", has=page.get_by_role("heading", name="Most active", exact=True))
    found = [row.locator("td").all_inner_texts() for row in panel.locator("tbody tr").all()]
    wanted = running.session.execute(
        f"SELECT rank, name, country, tweets FROM {KEYSPACE}.city_ranks WHERE feed = 'all'"
        " AND country = '*' AND metric = 'tweets' AND span = 'day' ORDER BY rank ASC LIMIT 10"
    )
    heads = panel.locator("thead th").all_inner_texts()
    assert [dict(zip(heads, row, strict=True))["city"] for row in found] == [row.name for row in wanted]
    assert len(found) == 10


def test_new_numbers_come_by_themselves(running: Running, view: Open) -> None:
    page = view("citypulse-trends", **{"var-city": CITIES, "refresh": "10"})
    name = running.windows.cities["CA", "CA:0"].name or ""
    before = legend(page, TWEETS)[name]
    running.windows.tweet("CA", "CA:0", NOW, author=1, kind="originals", feed="all")
    running.write()
    after = f"{sum(counted(running, 'tweets')[name]):,}"
    row = page.locator("section .legend tbody tr", has=page.get_by_role("button", name=name)).first
    expect(row.locator("td").last).to_have_text(after, timeout=DEADLINE_MS)
    assert before[-1] != after


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", UIDS)
def test_everybody_can_use_a_page(view: Open, name: str, scheme: str) -> None:
    page = view(name)
    page.emulate_media(color_scheme=scheme)
    page.reload()
    page.wait_for_selector("body[data-looked]")
    faults = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert faults == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_on_a_phone_no_line_is_drawn_over_its_legend(view: Open) -> None:
    page = view("citypulse-trends")
    page.set_viewport_size(PHONE)
    page.reload()
    page.wait_for_selector("body[data-looked]")
    panels = page.locator(".panel.lines").all()
    assert panels
    for panel in panels:
        drawn, legend = (panel.locator(part).first.bounding_box() for part in ("canvas", ".legend"))
        assert drawn is not None
        assert legend is not None
        assert drawn["y"] + drawn["height"] <= legend["y"] + 1


def test_a_panel_says_that_cassandra_is_gone_and_the_page_stays(browser: Browser, tmp_path: Path) -> None:
    port, nobody = free_port(), free_port()
    child = Child(
        *("citypulse.board", "serve"),
        log=tmp_path / "board.log",
        environment={
            "CITYPULSE_BOARD_DASHBOARDS": str(build.DIRECTORY),
            "CITYPULSE_BOARD_HTTP_PORT": str(port),
            "CITYPULSE_BOARD_CASSANDRA_PORT": str(nobody),
        },
    )
    child.start()
    try:
        page = browser.new_page()

        def answers() -> bool:
            try:
                return page.goto(f"http://127.0.0.1:{port}/d/citypulse-now") is not None
            except Exception:  # noqa: BLE001 - it does not listen yet
                return False

        wait_for("the board", answers, 60, child)
        expect(page.get_by_role("alert").first).to_contain_text("Cassandra", timeout=DEADLINE_MS)
        expect(page.get_by_role("heading", name="Now")).to_be_visible()
        page.close()
    finally:
        child.stop()
