"""Batches and what is done beside them share a machine: who need not hurry starts when a batch has ended."""

import threading


class Turns:
    """What the job's threads know of its batches."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        """Held while a batch is written."""
        self._ended = threading.Event()

    def end(self) -> None:
        """Say that a batch has been written."""
        self._ended.set()

    def wait_for_end(self, seconds: float) -> None:
        """Return when the next batch has been written, and after so many seconds at the latest. For one
        thread."""
        self._ended.clear()
        self._ended.wait(seconds)
