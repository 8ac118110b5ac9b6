"""A script of faults: a TOML file that arms them while the source plays.

[[fault]]
at_message = 1000          # when so many messages have been played
fault = "cut"

[[fault]]
at_seconds = 12.5          # or: at this time of the source's clock, which stands with hold and no stream
fault = "stall"
seconds = 40
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from citypulse.replay.faults import BadFaultError, Fault, fault_of
from citypulse.settings import BadSettingError

__all__ = ["Script", "read_script"]


class Entry(NamedTuple):
    """A fault, at which message or second of the source it is armed, and its place in the file."""

    number: int
    at_message: int | None
    at_seconds: float | None
    fault: Fault


class Script:
    """The entries of a file that have not been armed yet."""

    def __init__(self, entries: list[Entry]) -> None:
        self.left = entries

    def due(self, seconds: float, played: int) -> list[Fault]:
        """Take out the faults whose time has come, in the file's order."""
        if not self.left:
            return []
        due = [entry for entry in self.left if _has_come(entry, seconds, played)]
        self.left = [entry for entry in self.left if entry not in due]
        return [entry.fault for entry in due]

    @property
    def times_left(self) -> bool:
        """Whether a fault is left that waits for a time, which comes though no message does."""
        return any(entry.at_seconds is not None for entry in self.left)


def read_script(path: Path, tokens: frozenset[str]) -> Script:
    """Read a script; `tokens` are the digests that its faults may name.

    Raises BadSettingError, in one sentence that names the entry and the key.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettingError(f"control.script {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettingError(f"control.script {path} is not TOML: {error}") from None
    faults = tree.pop("fault", None)
    if tree or not isinstance(faults, list) or not faults:
        raise BadSettingError(f"control.script {path} must hold [[fault]] entries, and nothing else")
    entries = []
    for number, values in enumerate(faults, 1):
        try:
            entries.append(_entry(number, values, tokens))
        except BadFaultError as error:
            raise BadSettingError(f"control.script {path}, fault {number}: {error}") from None
    return Script(entries)


def _entry(number: int, values: Any, tokens: frozenset[str]) -> Entry:
    if not isinstance(values, dict):
        raise BadFaultError("it is no table: begin it with [[fault]]")
    at_message, at_seconds = values.pop("at_message", None), values.pop("at_seconds", None)
    if (at_message is None) == (at_seconds is None):
        raise BadFaultError("give exactly one of at_message and at_seconds")
    for key, value, kinds in (("at_message", at_message, (int,)), ("at_seconds", at_seconds, (int, float))):
        if value is not None and (type(value) not in kinds or not value >= 0):
            raise BadFaultError(f"{key} = {value!r} cannot be: give a number that is not negative")
    return Entry(number, at_message, at_seconds, fault_of(values, tokens))


def _has_come(entry: Entry, seconds: float, played: int) -> bool:
    if entry.at_message is not None:
        return played >= entry.at_message
    return entry.at_seconds is not None and seconds >= entry.at_seconds
