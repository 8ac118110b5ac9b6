"""Whom Alertmanager is configured to tell, by the role itself."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ANSIBLE

PROGRAM = Path(sys.executable).with_name("ansible-playbook")
MAIL = {
    "alertmanager_mail_to": ["on-call@example.org", "desk@example.org"],
    "alertmanager_mail_from": "citypulse@example.org",
    "alertmanager_mail_smarthost": "mail.example.org:587",
}
SIGNED_IN = {
    "alertmanager_webhook_token_file": "/etc/citypulse/secrets/hooks",
    "alertmanager_mail_user": "citypulse",
    "alertmanager_mail_password_file": "/etc/citypulse/secrets/mail",
}


@pytest.fixture
def written(tmp_path):
    """`written(**variables)`: the file that the role writes, and what its preflight objects to."""

    def run(**variables):
        role = {"name": "alertmanager", "tasks_from": "configure", "public": True}
        objections = tmp_path / "objections.json"
        tasks = [
            {"ansible.builtin.include_role": role},
            {
                "ansible.builtin.copy": {
                    "content": "{{ alertmanager_impossible | to_json }}",
                    "dest": str(objections),
                    "mode": "0644",
                }
            },
        ]
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "citypulse_etc_dir": str(tmp_path / "etc"),
            "citypulse_var_dir": str(tmp_path / "var"),
            **variables,
        }
        (tmp_path / "etc").mkdir()
        (tmp_path / "var").mkdir()
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
        }
        done = subprocess.run(
            [str(PROGRAM), "-i", "localhost,", "-e", json.dumps(given), str(playbook)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path / "etc" / "alertmanager" / "alertmanager.yml", json.loads(objections.read_text())

    return run


def test_without_a_receiver_nobody_is_told(written):
    file, objections = written()
    config = yaml.safe_load(file.read_text())
    assert config["receivers"] == [{"name": "all", "webhook_configs": [], "email_configs": []}]
    assert (config["global"], objections) == ({}, [])
    assert config["route"]["group_by"] == ["alertname"]


def test_webhooks_and_mail_are_told_the_end_too_and_secrets_stay_in_their_files(written):
    file, objections = written(
        **MAIL,
        **SIGNED_IN,
        alertmanager_webhooks=["https://hooks.example.org/a", "https://hooks.example.org/b"],
        alertmanager_repeat_page_hours=2,
        alertmanager_config={"global": {"resolve_timeout": "10m"}},
    )
    config = yaml.safe_load(file.read_text())
    (receiver,) = config["receivers"]
    token = {"authorization": {"credentials_file": "/etc/citypulse/secrets/hooks"}}
    assert receiver["webhook_configs"] == [
        {"url": f"https://hooks.example.org/{name}", "send_resolved": True, "http_config": token}
        for name in "ab"
    ]
    assert receiver["email_configs"] == [
        {"to": address, "send_resolved": True} for address in MAIL["alertmanager_mail_to"]
    ]
    assert config["global"] == {
        "smtp_smarthost": "mail.example.org:587",
        "smtp_from": "citypulse@example.org",
        "smtp_require_tls": True,
        "smtp_auth_username": "citypulse",
        "smtp_auth_password_file": "/etc/citypulse/secrets/mail",
        "resolve_timeout": "10m",
    }
    (page,) = config["route"]["routes"]
    assert (page["matchers"], page["repeat_interval"]) == (['severity="page"'], "2h")
    # The address of a webhook may be a secret itself.
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert objections == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"alertmanager_mail_to": ["on-call@example.org"]}, "needs alertmanager_mail_smarthost"),
        ({**MAIL, "alertmanager_mail_user": "citypulse"}, "go together: give both or neither"),
    ],
)
def test_half_of_what_mail_needs_is_objected_to(written, variables, says):
    _, (objection,) = written(**variables)
    assert says in objection
