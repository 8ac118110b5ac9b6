"""A TOML file, environment variables over it, command-line options over both, checked against a struct."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

_Kind = TypeVar("_Kind", bound=msgspec.Struct)

_SHOWN_CHARACTERS = 80


class BadSettingError(ValueError):
    """A configuration that cannot be used; its text is one sentence that names the key and what is wrong."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the configuration; a struct that is not one must forbid unknown fields as well."""


def load(
    kind: type[_Kind],
    *,
    name: str,
    prefix: str,
    file: Path | None,
    environment: Mapping[str, str],
    options: Mapping[str, Any] = {},
) -> _Kind:
    """Read a configuration.

    A key of a nested struct is `section.key` here and in sentences, and `<prefix>SECTION_KEY` in the
    environment. The key's type says how a variable is read: a list of texts is separated by commas, any other
    list and a table is JSON; it replaces all that the file has under that key. Numbers and booleans may be
    given as text in every source.

    Args:
        kind: the struct of the whole configuration.
        name: whose configuration it is, as sentences say it: "the <name>'s configuration".
        prefix: of the environment variables, with its last underscore; other variables are not looked at.
        file: TOML, named with --config; None for the other sources alone.
        environment: usually `os.environ`; wins over the file.
        options: values by `section.key`; win over the environment.

    Raises:
        BadSettingError: the file cannot be read, a key or variable is unknown, or a value cannot be.
        TypeError: two keys of `kind` would be the same variable.
    """
    types = dict(_keys(inspect.type_info(kind)))
    keys = {prefix + key.replace(".", "_").upper(): key for key in types}
    if len(keys) < len(types):
        raise TypeError(f"two keys of {kind.__name__} would be the same environment variable")
    tree = _read(file) if file else {}
    for variable, text in environment.items():
        if variable in keys:
            _put(tree, keys[variable], _value(variable, text, types[keys[variable]]))
        elif variable.startswith(prefix):
            raise BadSettingError(
                f"{variable} names no key of the {name}'s configuration: unset it or correct its name"
            )
    for key, value in options.items():
        _put(tree, key, value)
    try:
        return msgspec.convert(tree, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadSettingError(_sentence(str(error), name, tree, types)) from error


def _keys(kind: inspect.Type, path: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """Every `section.key` with its type."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from _keys(field.type, f"{path}.{field.encode_name}".lstrip("."))
    else:
        yield path, kind


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettingError(f"--config {file} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettingError(f"--config {file} is not TOML: {error}") from error


def _value(variable: str, text: str, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.CollectionType) and isinstance(kind.item_type, inspect.StrType):
        return [item.strip() for item in text.split(",") if item.strip()]
    if isinstance(kind, inspect.CollectionType | inspect.TupleType | inspect.DictType):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            wanted = "an object" if isinstance(kind, inspect.DictType) else "a list"
            raise BadSettingError(f"{variable} = {_short(text)} is not {wanted} in JSON: {error}") from error
    return text


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *sections, key = path.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            return  # The file has a value where a table belongs, which is refused as it stands.
    tree[key] = value


def _sentence(error: str, name: str, tree: Any, types: Mapping[str, inspect.Type]) -> str:
    """msgspec's message, "What - at `$.section.key`", as one that names key and value."""
    what, _, place = error.partition(" - at ")
    where = place.rpartition("`$")[2].rstrip("`")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*?)`?", what, re.DOTALL):
        key = f"{where}.{unknown[1]}".lstrip(".")
        return f"{key} is not a key of the {name}'s configuration: remove or correct it"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{where}.{missing[1]} is not set: give it a value".lstrip(".")
    key = where.lstrip(".")
    kind = types.get(key)
    if isinstance(kind, inspect.LiteralType):
        what = f"expected one of {', '.join(map(repr, kind.values))}"
    if place.startswith("`key` in "):
        return f"a key of {key} cannot be: {_lowered(what)}"
    return f"{key or 'the configuration'}{_shown(tree, where)} cannot be: {_lowered(what)}"


def _shown(tree: Any, where: str) -> str:
    """` = value` of what is at msgspec's path; empty where that has `[...]`, a table's value of any name."""
    for step in re.findall(r"\.{3}|[^.\[\]]+", where):
        if step == "...":
            return ""
        tree = tree[int(step) if isinstance(tree, list | tuple) else step]
    return f" = {_short(tree)}" if where else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
