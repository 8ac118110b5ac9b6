"""Every role says in meta/argument_specs.yml exactly what defaults/main.yml sets, and explains it."""

import pytest
import yaml

from .conftest import ROLES

ROLE_NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
PYTHON = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}


def _yaml(role, file):
    return yaml.safe_load((ROLES / role / file).read_text())


def test_there_are_roles():
    assert {"_common", "java", "zookeeper", "kafka", "cassandra", "spark", "producer"} <= set(ROLE_NAMES)


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_the_specification_has_the_defaults_and_nothing_else(role):
    options = _yaml(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == _yaml(role, "defaults/main.yml")


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_variable_is_explained_and_typed(role):
    specification = _yaml(role, "meta/argument_specs.yml")["argument_specs"]["main"]
    assert specification["short_description"]
    for name, option in specification["options"].items():
        assert option["description"].endswith("."), name
        default = option["default"]
        if not (isinstance(default, str) and "{{" in default):
            assert isinstance(default, PYTHON[option["type"]]), name


@pytest.mark.parametrize("role", [name for name in ROLE_NAMES if name != "_common"])
def test_a_role_names_its_variables_after_itself(role):
    assert all(name.startswith(f"{role}_") for name in _yaml(role, "defaults/main.yml"))


@pytest.mark.parametrize("role", [name for name in ROLE_NAMES if name not in ("_common", "java")])
def test_a_role_has_its_five_rooms_in_order(role):
    rooms = [task["ansible.builtin.import_tasks"] for task in _yaml(role, "tasks/main.yml")]
    assert rooms == ["preflight.yml", "install.yml", "configure.yml", "service.yml", "health.yml"]
    assert [task["tags"] for task in _yaml(role, "tasks/main.yml")] == [
        [room.removesuffix(".yml")] for room in rooms
    ]
