"""Variables within a text, replaced as Grafana replaces them before the plugin sees a query.

`$name` and `${name}` as they are, several values as `{a,b}`; `${name:sqlstring}` quoted, several separated by
commas; `${name:regex}` escaped, several as `(a|b)`; `${name:raw}` and `${name:csv}` with commas. What all
values stand for may be a text of its own, which is then taken as it is.
"""

import re
from collections.abc import Mapping, Sequence

Value = str | Sequence[str]

ALL = "$__all"
"""The choice of all values."""

_NAME = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")


class Whole(str):
    """A text that stands for all values: it is put in without quotes."""

    __slots__ = ()


class UnknownError(ValueError):
    """A text names a variable, or a format, that is not known."""


def replace(text: str, values: Mapping[str, Value]) -> str:
    """Put values in the places of their names.

    Raises:
        UnknownError: a name has no value, or a format is not known here.
    """

    def put(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise UnknownError(f"${{{name}}} has no value")
        value = values[name]
        if isinstance(value, Whole):
            return replace(value, values)
        return _formatted(value, found[3] or "")

    return _NAME.sub(put, text)


def names(text: str) -> set[str]:
    """The variables that a text names."""
    return {found[1] or found[2] for found in _NAME.finditer(text)}


def _formatted(value: Value, form: str) -> str:
    single = isinstance(value, str)
    some = [value] if isinstance(value, str) else list(value)
    if form == "sqlstring":
        return ",".join("'" + one.replace("'", "''") + "'" for one in some)
    if form == "regex":
        escaped = [_SPECIAL.sub(r"\\\g<0>", one) for one in some]
        return escaped[0] if single or len(some) == 1 else f"({'|'.join(escaped)})"
    if form in ("raw", "csv"):
        return ",".join(some)
    if form:
        raise UnknownError(f"the format {form} is not known here")
    return some[0] if single or len(some) == 1 else "{" + ",".join(some) + "}"
