"""Real captures of X, which the project may not contain: where they are, and why a test is skipped."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("CITYPULSE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def outside(name: str) -> Path:
    """The directory `name` of the captures; the test is skipped where it is not there."""
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there: CITYPULSE_TEST_DATA names the directory with captures of X")
    return DATA / name
