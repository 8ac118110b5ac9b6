"""What stands in the way of a service is told before anything is changed, in a sentence each."""

import json
import os
import socket

import pytest

SOURCES = {"manager": "_common/files/manager_supervisord.py", "check": "_common/files/check.py"}


@pytest.fixture
def problems(program, tmp_path):
    def run(ports=None, memory_mb=1, disk_mb=1, path=None, address="127.0.0.1", home=None):
        request = {
            "manager": {"socket": str((home or tmp_path) / "supervisor.sock")},
            "service": "kafka1",
            "ports": ports or {},
            "address": address,
            "path": str(path or tmp_path),
            "memory_mb": memory_mb,
            "disk_mb": disk_mb,
        }
        done = program(request, **SOURCES)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_nothing_in_the_way_is_an_empty_list(problems):
    assert problems() == []


def test_a_busy_port_is_named_with_its_owner(problems, listening):
    (sentence,) = problems({"clients": listening})
    assert sentence.startswith(f"port {listening}, wanted by kafka1 (clients), is taken by ")
    assert sentence.endswith(f"(pid {os.getpid()})")


def test_a_port_that_is_busy_on_another_address_is_free_here(problems, listening):
    assert problems({"clients": listening}, address="127.0.0.2") == []


def test_a_port_that_somebody_has_on_all_addresses_is_busy(problems):
    with socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        assert problems({"clients": server.getsockname()[1]})


def test_an_offset_beyond_the_last_port_is_told(problems):
    (sentence,) = problems({"clients": 70000})
    assert "70000 is no port for kafka1" in sentence


def test_too_little_memory_and_disk_are_both_told(problems):
    memory, disk = problems(memory_mb=10**9, disk_mb=10**9)
    assert "1000000000 MB are needed" in memory
    assert "of disk are free" in disk


def test_the_disk_of_a_directory_that_is_yet_to_be_made_is_looked_at(problems, tmp_path):
    assert problems(path=tmp_path / "not" / "yet") == []


def test_a_home_with_a_space_is_told(problems, tmp_path):
    (sentence,) = problems(path=tmp_path / "my home")
    assert "has a space or sign" in sentence


def test_a_home_too_long_for_a_socket_is_told(problems, tmp_path):
    (sentence,) = problems(home=tmp_path / ("x" * 100))
    assert "too long a path for a socket" in sentence
