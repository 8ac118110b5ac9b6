"""Takes the pictures of the dashboards that README and docs show, in Debian's Chromium.

Needs a demo that has been counted and servers that run: `make pictures` after `make demo`. Another page of
the board, with another run or time span, is given as `make pictures PAGE=…`. The report of the last load test
is taken too, where there was one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from cassandra import DriverException
from cassandra.cluster import NoHostAvailable
from playwright.sync_api import Browser, Error, sync_playwright

from citypulse.control import grafana, installation, result

HERE = Path(__file__).parent
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PICTURES = (
    ("trends", "citypulse-trends", DESK, "light"),
    ("now", "citypulse-now", DESK, "light"),
    ("phone", "citypulse-trends", PHONE, "dark"),
)
"""The picture's file, its dashboard, the size of the window, and the scheme: of the demo's own time."""
MEASURED = (
    ("pipeline", "citypulse-pipeline", DESK, "dark"),
    ("servers", "citypulse-servers", DESK, "dark"),
)
"""The same of the machine's: a demo's tweets may be older than what was measured while they were counted."""
MEASURED_QUERY = "var-run=named&from=now-15m&to=now"

WAIT_MS = 60_000


def main(page: str) -> int:
    """Take all pictures of the board on whose page that is; the exit code."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("There is no Chromium on this machine: apt-get install chromium", file=sys.stderr)
        return 1
    if not _fonts():
        print(
            "Names of cities need letters: apt-get install fonts-noto-core fonts-wqy-microhei",
            file=sys.stderr,
        )
        return 1
    address = urlsplit(page)
    pictures = [(*one, address.query) for one in PICTURES] + [(*one, MEASURED_QUERY) for one in MEASURED]
    # Chromium has no sandbox for root.
    more = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=more)
        try:
            for name, uid, window, scheme, query in pictures:
                url = f"{address.scheme}://{address.netloc}/d/{uid}?{query}&refresh=off"
                _take(browser, url, HERE / f"{name}.png", window, scheme)
            for report in _reports()[-1:]:
                _take(browser, report.as_uri(), HERE / "loadtest.png", DESK, "light", ready="body")
        except Error as error:
            print(f"{page} cannot be shown: {error.message.splitlines()[0]}", file=sys.stderr)
            return 1
        finally:
            browser.close()
    return 0


def _fonts() -> bool:
    """Whether this machine can show Chinese and Hindi, as the largest cities of a demo need."""
    return all(
        subprocess.run(["fc-list", f":lang={one}"], capture_output=True, check=True).stdout
        for one in ("zh", "hi")
    )


def _take(
    browser: Browser,
    url: str,
    file: Path,
    window: dict[str, int],
    scheme: str,
    *,
    ready: str = "body[data-looked]",
) -> None:
    page = browser.new_page(
        locale="en-GB",
        timezone_id="UTC",
        viewport={"width": window["width"], "height": window["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.wait_for_selector(ready)
    # Lines are drawn in over half a second.
    page.wait_for_timeout(1500)
    page.screenshot(path=file, full_page=window is DESK)
    page.close()
    print(f"{file.name}: {file.stat().st_size / 1024:.0f} KB")


def _reports() -> list[Path]:
    return sorted((installation.from_environment().home / "reports").glob("loadtest-*.html"))


def _demo() -> str:
    inst = installation.from_environment()
    try:
        return f"http://{inst.address(grafana.BOARD_PORT)}{result.view(inst, 'demo')}"
    except (DriverException, NoHostAvailable, ValueError):
        raise SystemExit("There is no demo whose dashboards could be shown: make demo makes one.") from None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if sys.argv[1:] else _demo()))
