"""VARS: a file with variables of the roles, which win over all others."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import yaml

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import CHECKOUT

_ANSIBLE = CHECKOUT / "infra" / "ansible"


def user_variables() -> list[str]:
    """Ansible's arguments for the file that VARS names, none without it.

    Raises `Fault` with exit code 2 where the file cannot be read or names a variable that no role has.
    """
    named = os.environ.get("VARS", "").strip()
    if not named:
        return []
    path = Path(named).absolute()
    if not path.is_file():
        raise _bad(named, "there is no such file; name one with variables of the roles")
    known = _known()
    for key in _keys(path, named):
        if key not in known:
            meant = difflib.get_close_matches(key, known, 1)
            raise _bad(
                named,
                f"`{key}` is no variable of the roles" + (f"; {meant[0]} may be meant" if meant else ""),
            )
    return ["-e", f"@{path}"]


def user_value(key: str) -> str | None:
    """A plain value of that file; None where it is not there."""
    named = os.environ.get("VARS", "").strip()
    if not named:
        return None
    path = Path(named).absolute()
    if not path.is_file():
        return None
    nodes = {str(name.value): node for name, node in _root(path, named)}
    return str(nodes[key].value) if isinstance(nodes.get(key), yaml.ScalarNode) else None


def _keys(path: Path, named: str) -> list[str]:
    """The keys of a YAML mapping; its values are Ansible's to read."""
    return [str(key.value) for key, _ in _root(path, named)]


def _root(path: Path, named: str) -> list[tuple[yaml.Node, yaml.Node]]:
    try:
        root = yaml.compose(path.read_text())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _bad(named, f"it is no YAML: {error.problem} (line {line})") from None
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise _bad(named, f"it cannot be read: {' '.join(str(error).split())}") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise _bad(named, "it holds no mapping; write a line `variable: value` for each")
    pairs: list[tuple[yaml.Node, yaml.Node]] = root.value
    return pairs


def _known() -> set[str]:
    """The variables of the roles, and those of this machine that the inventory sets."""
    files = [*_ANSIBLE.glob("roles/*/defaults/main.yml"), *_ANSIBLE.rglob("group_vars/*.yml")]
    return {key for file in files for key in yaml.safe_load(file.read_text()) or {}}


def _bad(named: str, remedy: str) -> Fault:
    return Fault(f"VARS={named} cannot be used: {remedy}.", Exit.BAD_INPUT)
