"""Configuration files are written as their readers read them, once, whole, and only when they differ."""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOURCE = {"configure": "_common/files/configure.py"}
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


@pytest.fixture
def configure(program, tmp_path):
    def run(*files, directories=(), check=False):
        request = {"directories": list(directories), "files": list(files), "check": check}
        done = program(request, **SOURCE)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def _file(path, form, data, mode="0644"):
    return {"path": str(path), "format": form, "data": data, "mode": mode}


@given(data=st.dictionaries(NAMES, VALUES, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_is_read_back_as_it_was_written(configure, tmp_path, data):
    configure(_file(tmp_path / "config.toml", "toml", data))
    assert tomllib.loads((tmp_path / "config.toml").read_text(encoding="utf-8")) == data


def test_what_is_null_is_left_to_the_reader_s_default(configure, tmp_path):
    configure(_file(tmp_path / "c.toml", "toml", {"a": None, "b": {"c": None, "d": 1}}))
    assert tomllib.loads((tmp_path / "c.toml").read_text()) == {"b": {"d": 1}}


def test_properties_write_booleans_and_lists_as_java_reads_them(configure, tmp_path):
    data = {"auto.create": False, "connect": ["a:1", "b:2"], "id": 1, "none": None}
    configure(_file(tmp_path / "p", "properties", data))
    assert (tmp_path / "p").read_text() == "auto.create=false\nconnect=a:1,b:2\nid=1\n"


def test_a_second_time_changes_nothing_and_gives_the_same_digest(configure, tmp_path):
    wanted = (_file(tmp_path / "d" / "f", "text", "x"),)
    directories = [{"path": str(tmp_path / "d"), "mode": "0750"}]
    first = configure(*wanted, directories=directories)
    second = configure(*wanted, directories=directories)
    assert first["changed"] == [str(tmp_path / "d"), str(tmp_path / "d" / "f")]
    assert second == {"changed": [], "digest": first["digest"]}


def test_another_content_has_another_digest(configure, tmp_path):
    digests = {configure(_file(tmp_path / "f", "text", text))["digest"] for text in ("x", "y")}
    assert len(digests) == 2


def test_a_changed_mode_is_a_change(configure, tmp_path):
    configure(_file(tmp_path / "f", "text", "x", mode="0644"))
    assert configure(_file(tmp_path / "f", "text", "x", mode="0600"))["changed"] == [str(tmp_path / "f")]
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_check_mode_tells_and_touches_nothing(configure, tmp_path):
    directories = [{"path": str(tmp_path / "d"), "mode": "0755"}]
    done = configure(_file(tmp_path / "d" / "f", "text", "x"), directories=directories, check=True)
    assert len(done["changed"]) == 2
    assert not (tmp_path / "d").exists()
