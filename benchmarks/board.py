"""How fast the board shows a dashboard, and what many viewers cost Cassandra.

    .citypulse/dev/bin/python -m benchmarks.board [--cities 1130] [--hours 2] [--viewers 50] [--seconds 60]

Writes windows of so many cities, each of which tweets in each window, to a real Cassandra, and opens the two
dashboards of its tables in Chromium, each three times with a time range that nobody has asked for: the
medians of what is loaded, of the time to the first panel that shows something, and of the time until all do.
Then so many viewers look at both, each with all of its panels, once in each span of the board's cache.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import shutil
import statistics
import time
from collections.abc import Callable
from urllib.parse import urlencode

import aiohttp
from playwright.sync_api import Browser, Request, sync_playwright
from tests.pipeline.test_rolling import NOW, Running
from tests.servers import servers
from tests.unit.spark.rolling_windows import HOUR, WINDOW, City

from citypulse.control.metrics import scrape

DASHBOARDS = ("citypulse-trends", "citypulse-now")
COUNTRIES = 40
_fresh = itertools.count(1)
"""Ranges of time that nobody has asked for end so many steps before the last window does."""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--cities", type=int, default=1130)
    options.add_argument("--hours", type=int, default=2)
    options.add_argument("--viewers", type=int, default=50)
    options.add_argument("--seconds", type=int, default=60)
    given = options.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        options.error("there is no Chromium on this machine: apt-get install chromium")
    with servers() as system:
        board = f"http://{system.installation.address(3000)}"
        running = Running(system)
        try:
            cells = _write(running, given.cities, given.hours)
            print(f"{cells:,} cells of {given.cities} cities, {given.hours} hours", flush=True)
            # Chromium has no sandbox for root.
            more = ["--no-sandbox"] if os.geteuid() == 0 else []
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=more)
                for uid in DASHBOARDS:
                    _open(browser, board, running.config.keyspace, uid, given.hours)
                browser.close()
            asyncio.run(_watch(board, running.config.keyspace, given))
        finally:
            running.session.execute(f"DROP KEYSPACE {running.config.keyspace}")
            running.session.cluster.shutdown()


def _write(running: Running, cities: int, hours: int) -> int:
    chance = random.Random(11)
    for number in range(cities):
        country = f"C{chr(65 + number % COUNTRIES // 26)}{chr(65 + number % COUNTRIES % 26)}"
        city = f"{country}:{number}"
        place = (chance.uniform(-60, 70), chance.uniform(-180, 180))
        running.windows.cities[country, city] = City(f"City {number}, {country}", *place)
        for start in range(NOW - hours * HOUR, NOW, WINDOW):
            for _ in range(1 + int(chance.expovariate(0.5))):
                running.windows.tweet(country, city, start, author=chance.randrange(10_000))
    running.write()
    running.tick(NOW)
    return len(running.windows.cells)


def _query(keyspace: str, hours: int) -> str:
    end = NOW - 60_000 * next(_fresh)
    span = {"from": end - hours * HOUR, "to": end}
    return urlencode({"var-keyspace": keyspace, "refresh": "off", **span})


def _open(browser: Browser, board: str, keyspace: str, uid: str, hours: int) -> None:
    weights, firsts, whole = [], [], []
    for _ in range(3):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        loaded: list[Request] = []
        page.on("requestfinished", _keeping(loaded))
        began = time.monotonic()
        page.goto(f"{board}/d/{uid}?{_query(keyspace, hours)}", wait_until="commit")
        page.wait_for_selector("section canvas, section table tbody tr", state="attached")
        firsts.append(time.monotonic() - began)
        page.wait_for_selector("body[data-looked]")
        whole.append(time.monotonic() - began)
        weights.append(sum(map(_weight, loaded)))
        page.close()
    print(
        f"{uid}: {statistics.median(weights) / 1024:,.0f} KB loaded, first panel after"
        f" {statistics.median(firsts):.2f} s, all after {statistics.median(whole):.2f} s",
        flush=True,
    )


def _keeping(loaded: list[Request]) -> Callable[[Request], None]:
    """Playwright wants a function of Python's, which `loaded.append` is not."""

    def keep(request: Request) -> None:
        loaded.append(request)

    return keep


def _weight(request: Request) -> int:
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]


async def _watch(board: str, keyspace: str, given: argparse.Namespace) -> None:
    for viewers in (1, given.viewers):
        before = _made(board)
        seconds: list[float] = []
        async with aiohttp.ClientSession() as session:
            tasks = (_view(session, board, keyspace, given, seconds) for _ in range(viewers))
            looks = sum(await asyncio.gather(*tasks))
        made, kept = (now - then for now, then in zip(_made(board), before, strict=True))
        ordered = sorted(seconds)
        print(
            f"{viewers} viewers, {given.seconds} s: {looks} dashboards seen, {made:.0f} answers made from the"
            f" sources and {kept:.0f} kept ones; {len(ordered)} answers, half within"
            f" {statistics.median(ordered):.3f} s, 99 % within {ordered[int(len(ordered) * 0.99)]:.3f} s",
            flush=True,
        )


async def _view(
    session: aiohttp.ClientSession,
    board: str,
    keyspace: str,
    given: argparse.Namespace,
    seconds: list[float],
) -> int:
    """Look at both dashboards in turn, at all of their panels at once, as a browser does."""
    panels = {uid: await _panels(session, board, uid) for uid in DASHBOARDS}
    until = time.monotonic() + given.seconds
    looks = 0
    while time.monotonic() < until:
        for uid in DASHBOARDS:
            query = urlencode({"var-keyspace": keyspace, "from": NOW - given.hours * HOUR, "to": NOW})
            base = f"{board}/api/dashboards/{uid}"
            seconds.append(await _get(session, f"{base}/variables?{query}"))
            asked = (_get(session, f"{base}/panels/{number}?{query}") for number in panels[uid])
            seconds.extend(await asyncio.gather(*asked))
            looks += 1
        await asyncio.sleep(5)
    return looks


async def _panels(session: aiohttp.ClientSession, board: str, uid: str) -> list[int]:
    async with session.get(f"{board}/api/dashboards/{uid}") as answer:
        return [panel["id"] for panel in (await answer.json())["panels"] if panel["type"] != "row"]


async def _get(session: aiohttp.ClientSession, url: str) -> float:
    began = time.monotonic()
    async with session.get(url) as answer:
        await answer.read()
        answer.raise_for_status()
    return time.monotonic() - began


def _made(board: str) -> tuple[float, float]:
    """Answers that were made from the sources, and those that were kept."""
    samples = scrape(board.removeprefix("http://")) or {}
    known = {labels["how"]: count for labels, count in samples["citypulse_board_answers_total"]}
    return known.get("made", 0.0), known.get("kept", 0.0)


if __name__ == "__main__":
    main()
