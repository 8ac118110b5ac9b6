"""Pictures of the board with the tweets of a demo: `make demo && make pictures`."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC
from pathlib import Path

from cassandra.cluster import Cluster
from playwright.sync_api import sync_playwright

from citypulse.control.installation import from_environment

PAGES = {"citypulse-trends": "city-trends", "citypulse-now": "now"}
SIZE = {"width": 1400, "height": 1100}


def main() -> None:
    """Take them."""
    inst = from_environment()
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("pictures: no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        more = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=more)
        page = browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC", color_scheme="light")
        for uid, name in PAGES.items():
            since, until = _shown(inst.port(9042))
            query = f"var-keyspace=citypulse_demo&from={since}&to={until}&refresh=off"
            page.goto(f"http://{inst.address(3000)}/d/{uid}?{query}")
            page.wait_for_selector("body[data-looked]")
            page.screenshot(path=str(Path(__file__).parent / f"{name}.png"))
            print(f"pictures: {name}.png")
        browser.close()


def _shown(port: int) -> tuple[int, int]:
    """From the first window of the demo to the end of its last, in ms."""
    with Cluster(["127.0.0.1"], port=port, protocol_version=5) as cluster:
        query = "SELECT DISTINCT feed, country, window_start FROM windows_by_country"
        rows = cluster.connect("citypulse_demo").execute(query)
        starts = [round(row.window_start.replace(tzinfo=UTC).timestamp() * 1000) for row in rows]
    return min(starts), max(starts) + 300_000


if __name__ == "__main__":
    main()
