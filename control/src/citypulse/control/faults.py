"""How a command ends when it does not end well: one sentence and an exit code."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes that every citypulse command shares."""

    WELL = 0
    FAULT = 1
    """It found a fault, or it failed."""
    BAD_INPUT = 2
    """Bad input or configuration."""
    REFUSED = 3
    """X refused."""
    SHORT = 4
    """Disk or memory is short."""


class Fault(Exception):  # noqa: N818 - a fault is the project's word for what ends a command
    """What ends a command: `sentence` for the person, `code` for the shell.

    `detail` holds lines that explain it, such as the end of a server's log.
    """

    def __init__(self, sentence: str, code: Exit = Exit.FAULT, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.detail = detail
