"""What several files of these tests start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .served import Served, numbered, serving, stored


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The truth file of `held`."""
    return tmp_path / "truth"


@pytest.fixture
def held(tmp_path: Path, file: Path) -> Iterator[Served]:
    """`tweet 0` to `tweet 19` as fast as one reads, held while nobody does; takes faults, and has a rule."""
    tweets = stored(tmp_path / "tweets.json", *numbered(20))
    arguments = ["--tweets", tweets, "--speed", "0", "--hold", "--truth", file, "--control"]
    with serving(tmp_path, *arguments) as running:
        running.add_rules("place_country:CA")
        yield running
