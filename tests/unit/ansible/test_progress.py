"""What a playbook tells the command that started it, asked of Ansible itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ANSIBLE

CALLBACKS = ANSIBLE.parents[1] / "control" / "ansible_callbacks"


@pytest.fixture
def failure(tmp_path):
    """What is told of the one failure of a playbook that runs one task on this machine."""

    def run(task):
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        read_end, write_end = os.pipe()
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "citypulse_progress",
            "CITYPULSE_PROGRESS_FD": str(write_end),
        }
        variables = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
        program = Path(sys.executable).with_name("ansible-playbook")
        subprocess.run(
            [str(program), "-i", "localhost,", "-e", variables, str(playbook)],
            env=environment,
            pass_fds=[write_end],
            capture_output=True,
            timeout=120,
            check=False,
        )
        os.close(write_end)
        with os.fdopen(read_end) as events:
            (told,) = (event for event in map(json.loads, events) if "failed" in event)
        assert told["host"] == "localhost"
        return told["failed"]

    return run


def test_each_item_that_failed_says_why(failure):
    task = {"ansible.builtin.fail": {"msg": "{{ item }}"}, "loop": ["no disk", "no memory"]}
    assert failure(task) == "no disk\nno memory"


def test_an_item_whose_host_could_not_be_worked_on_says_why(failure, tmp_path):
    """Such as one whose disk is full: Ansible cannot even make its directory there."""
    task = {
        "ansible.builtin.copy": {"content": "x", "dest": "{{ item }}"},
        "loop": [str(tmp_path / "x")],
        "vars": {"ansible_remote_tmp": "/proc/nowhere"},
    }
    assert "Failed to create temporary directory" in failure(task)
