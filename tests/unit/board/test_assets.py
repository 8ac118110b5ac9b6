"""What the pages load of others' work."""

from __future__ import annotations

import subprocess
from pathlib import Path

BOARD = Path(__file__).parents[3] / "services" / "board"
STATIC = BOARD / "src" / "citypulse" / "board" / "static"


def test_it_is_what_was_built() -> None:
    """`make board-assets` builds it."""
    subprocess.run([str(BOARD / "assets" / "build.sh"), "--check"], check=True)


def test_nothing_comes_from_elsewhere() -> None:
    for file in (*STATIC.glob("*.html"), *STATIC.glob("*.css"), *STATIC.glob("*.js")):
        assert "://" not in file.read_text(), file.name
