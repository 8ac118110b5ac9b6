"""The filters of roles write configuration as its readers read it."""

import tomllib
from configparser import RawConfigParser

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from .conftest import FILTERS

NAMES = st.text('abcdefghijklmnopqrstuvwxyz_-.é" ', min_size=1, max_size=8)
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9), st.text(max_size=12)
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.lists(st.dictionaries(NAMES, SCALARS, min_size=1, max_size=3), min_size=1, max_size=2),
    st.dictionaries(NAMES, SCALARS | st.dictionaries(NAMES, SCALARS, max_size=2), max_size=3),
)


@given(data=st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_tree_is_read_back_as_it_was_written(data):
    assert tomllib.loads(FILTERS["to_toml"](data)) == data


def test_what_is_null_is_left_to_the_reader_s_default():
    text = FILTERS["to_toml"]({"a": None, "b": {"c": None, "d": 1}, "e": [{"f": None, "g": 2}]})
    assert tomllib.loads(text) == {"b": {"d": 1}, "e": [{"g": 2}]}


def test_properties_write_booleans_and_lists_as_java_reads_them():
    data = {"auto.create": False, "connect": ["a:1", "b:2"], "id": 1, "none": None}
    assert FILTERS["to_properties"](data) == "auto.create=false\nconnect=a:1,b:2\nid=1\n"


def test_an_ini_file_is_read_back_section_by_section():
    data = {"server": {"port": 3000, "gone": None, "https": False}, "auth.anonymous": {"name": "a = b"}}
    read = RawConfigParser()
    read.read_string(FILTERS["to_ini"](data))
    assert {name: dict(read[name]) for name in read.sections()} == {
        "server": {"port": "3000", "https": "false"},
        "auth.anonymous": {"name": "a = b"},
    }
    with pytest.raises(AnsibleFilterError, match="an INI file cannot hold password"):
        FILTERS["to_ini"]({"security": {"password": "half;half"}})


def _service(**more):
    return {
        "name": "sleeper",
        "command": ["/bin/echo", "two words", "100%"],
        "environment": {"B": "2", "A": "50 %"},
        "directory": "/",
        "priority": 10,
        "user": "",
        "restart": "always",
        "no_restart_exit_codes": [],
        "start_seconds": 0,
        "start_retries": 3,
        "stop_signal": "TERM",
        "stop_timeout": 10,
        "log": "/log/sleeper.log",
        "log_bytes": 1000,
        "log_files": 1,
        "fingerprint": "1",
        **more,
    }


def _program(**more):
    parser = RawConfigParser()
    parser.read_string(FILTERS["to_supervisord_program"](_service(**more)))
    return parser["program:sleeper"]


def test_a_program_keeps_words_together_and_percent_signs_plain():
    program = _program()
    assert program["command"] == "/bin/echo 'two words' 100%%"
    assert program["environment"] == 'A="50 %%",B="2",CITYPULSE_FINGERPRINT="1"'


@pytest.mark.parametrize(
    ("service", "restart", "codes"),
    [
        ({"restart": "always"}, "true", "0"),
        ({"restart": "always", "no_restart_exit_codes": [3, 2]}, "unexpected", "2,3"),
        ({"restart": "on-failure"}, "unexpected", "0"),
        ({"restart": "never"}, "false", "0"),
    ],
)
def test_a_program_is_restarted_as_its_service_says(service, restart, codes):
    program = _program(**service)
    assert (program["autorestart"], program["exitcodes"]) == (restart, codes)


def test_a_user_is_named_only_where_there_is_one():
    assert "user" not in _program()
    assert _program(user="citypulse")["user"] == "citypulse"


@pytest.mark.parametrize("word", ['a"b', "a\nb", "a ;b", "a #b"])
def test_what_supervisord_cannot_hold_is_refused(word):
    with pytest.raises(AnsibleFilterError, match="supervisord cannot hold"):
        _program(command=["/bin/echo", word])
