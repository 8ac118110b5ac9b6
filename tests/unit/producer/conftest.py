"""What every test of the producer is given."""

from collections.abc import Iterator

import pytest

from .test_cli import Process


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """A test that fails leaves none of its producers behind."""
    yield
    for process in Process.started:
        if process.poll() is None:
            process.kill()
            process.wait()
    Process.started.clear()
