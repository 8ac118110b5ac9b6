"""Two alerts from what breaks to whoever is told, and what their runbooks say to type.

The rules are those of grafana/alerts in all but one thing: each `for` is a few seconds, since a test need not
wait the minutes after which somebody is woken. The role loads them as it would any other file
(`prometheus_rules_source`). That the rules keep their own times, promtool shows (test_seen).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from citypulse.control.playbook import play
from citypulse.control.runs import feed
from citypulse.control.services import start, stop
from citypulse.spark import tables
from citypulse.spark.config import load
from tests.receivers import Mailbox, Webhook, listening
from tests.replaying import Replay, new_seed
from tests.system import CHECKOUT, System

RUN = "alerts"
RULES = CHECKOUT / "grafana" / "alerts" / "rules.yml"
RUNBOOKS = sorted(path for path in (CHECKOUT / "docs" / "runbooks").glob("*.md") if path.name != "README.md")
TOKEN, PASSWORD = "a token", "a password"


@dataclass(frozen=True)
class Watched:
    """A run, and who is told of it."""

    system: System
    replay: Replay
    webhook: Webhook
    mailbox: Mailbox

    def firing(self, name: str) -> list[dict[str, str]]:
        """Labels of the alerts of that name that fire in Prometheus now."""
        url = f"http://{self.system.installation.address(9090)}/api/v1/alerts"
        with urllib.request.urlopen(url, timeout=30) as answer:
            alerts = json.load(answer)["data"]["alerts"]
        return [
            alert["labels"]
            for alert in alerts
            if alert["labels"]["alertname"] == name and alert["state"] == "firing"
        ]

    def forget(self) -> None:
        """Of what was told so far."""
        self.webhook.notices.clear()
        self.mailbox.mails.clear()

    def until_told(self, name: str, status: str, **labels: str) -> None:
        """Wait until both receivers have been told that an alert fires, or that it is over."""

        def posted() -> list[dict[str, Any]]:
            return [
                alert
                for notice in self.webhook.notices
                if notice["groupLabels"] == {"alertname": name}
                for alert in notice["alerts"]
                if alert["status"] == status and labels.items() <= alert["labels"].items()
            ]

        def mailed() -> list[str]:
            begins = re.compile(rf"\[{status.upper()}(:\d+)?\] {name}\b")
            return [mail["Subject"] for mail in self.mailbox.mails if begins.match(mail["Subject"])]

        self.system.wait_for(f"the webhook to be told that {name} is {status}", posted, 300)
        self.system.wait_for(f"a mail that says {name} is {status}", mailed, 300)
        assert posted()[-1]["annotations"]["runbook"] == f"docs/runbooks/{name}.md"

    def until_firing(self, name: str, **labels: str) -> None:
        """Wait until Prometheus says that an alert fires."""

        def found() -> bool:
            return any(labels.items() <= alert.items() for alert in self.firing(name))

        self.system.wait_for(f"{name} to fire", found, 400)


@pytest.fixture(scope="module")
def watched(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A run whose source can be told to misbehave, and Alertmanager told of two receivers."""
    directory = tmp_path_factory.mktemp("alerts")
    webhook, mailbox = Webhook(TOKEN), Mailbox("citypulse", PASSWORD)
    variables = ("-e", f"@{system.variables}")
    # A run's services share their ports with those of every other named run.
    for run in ("demo", RUN):
        play(system.installation, "run_remove", {"citypulse_run": run}, *variables)
    with listening(webhook, mailbox):
        play(
            system.installation, "site", _told(directory, webhook, mailbox), *variables, "--limit", "monitor1"
        )
        play(system.installation, "run", _streaming(), *variables)
        replay = Replay(directory, system.installation.port(8900), seed=0)
        yield Watched(system, replay, webhook, mailbox)
        play(system.installation, "run_remove", {"citypulse_run": RUN}, *variables)
        system.converge()


def _told(directory: Path, webhook: Webhook, mailbox: Mailbox) -> dict[str, object]:
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = "5s"
    secrets = {"token": TOKEN, "password": PASSWORD}
    for name, secret in secrets.items():
        (directory / name).write_text(secret)
    (directory / "rules.yml").write_text(yaml.safe_dump(rules))
    return {
        "prometheus_rules_source": str(directory / "rules.yml"),
        "alertmanager_webhooks": [webhook.url],
        "alertmanager_webhook_token_file": str(directory / "token"),
        "alertmanager_mail_to": ["on-call@example.org"],
        "alertmanager_mail_from": "citypulse@example.org",
        "alertmanager_mail_smarthost": mailbox.smarthost,
        "alertmanager_mail_tls": False,
        "alertmanager_mail_user": "citypulse",
        "alertmanager_mail_password_file": str(directory / "password"),
        "alertmanager_group_seconds": 1,
        "alertmanager_group_interval_seconds": 5,
    }


def _streaming() -> dict[str, object]:
    return {
        "citypulse_run": RUN,
        "producer_feeds": [feed(("all",))],
        # It is asked again soon once X is back.
        "producer_config": {"x": {"http_max_seconds": 15}},
        "replay_config": {
            "source": {"generate": True},
            "generator": {"seed": new_seed(), "cities": 50},
            "play": {"rate": 20, "hold": True},
            "control": {"enabled": True},
        },
        "spark_job_trigger_seconds": 5,
        "spark_job_tick_seconds": 5,
    }


def test_a_broker_that_is_stopped_is_told_and_so_is_its_return(watched: Watched) -> None:
    watched.forget()
    stop(watched.system.installation, "kafka2")
    try:
        watched.until_firing("ServiceDown", job="kafka")
        watched.until_firing("KafkaUnderReplicated")
        watched.until_told("ServiceDown", "firing", job="kafka", severity="page")
        watched.until_told("KafkaUnderReplicated", "firing", severity="page")
    finally:
        watched.forget()
        start(watched.system.installation, "kafka2")
    watched.until_told("ServiceDown", "resolved", job="kafka")
    watched.until_told("KafkaUnderReplicated", "resolved")
    assert not watched.firing("KafkaUnderReplicated")


@pytest.mark.takes_turns(2.4)
def test_a_stream_that_stalls_is_told_and_so_is_its_return(watched: Watched) -> None:
    """X sends nothing more, and answers with 503 when the producer has given the connection up."""
    watched.forget()
    faults = [
        watched.replay.fault("stall", seconds=900),
        watched.replay.fault("unavailable", endpoint="stream", seconds=900),
    ]
    try:
        watched.until_firing("StreamSilent", run="named")
        watched.until_told("StreamSilent", "firing", run="named", severity="page")
    finally:
        watched.forget()
        for fault in faults:
            watched.replay.end_fault(fault)
    watched.until_told("StreamSilent", "resolved", run="named")
    assert not watched.firing("StreamSilent")


def test_alertmanager_s_own_tool_takes_what_the_role_has_written(watched: Watched) -> None:
    home = watched.system.home
    (amtool,) = (home / "opt").glob("alertmanager-*/bin/amtool")
    checked = subprocess.run(
        [amtool, "check-config", home / "etc" / "alertmanager" / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.takes_turns(0.1)
@pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_s_commands_can_be_typed(watched: Watched, runbook: Path) -> None:
    """As they stand, but for this installation's directory and ports and the run's name."""
    blocks = re.findall(r"^```\n(.*?)^```$", runbook.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks, "a runbook says at least where to look"
    targets = (CHECKOUT / "Makefile").read_text()
    for block in blocks:
        assert all(
            f"\n{target}: ## " in targets for target in re.findall(r"^make (\S+)", block, re.MULTILINE)
        )
        typed = _here(watched.system, block)
        done = subprocess.run(
            ["bash", "-e", "-c", f"{MAKE}\n{typed}"],
            cwd=CHECKOUT,
            env=watched.system.environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{typed}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), f"nothing is to be seen of\n{typed}"


MAKE = 'make() { local target=$1; shift; env "$@" citypulse-control "$target"; }'
"""What `make` does where everything is set up."""


def _here(system: System, text: str) -> str:
    text = text.replace(".citypulse", str(system.home)).replace("-live", f"-{RUN}")
    text = text.replace("<service>", "kafka1")
    if "CITY WINDOW" in text:
        text = text.replace("CITY WINDOW", _counted(system))
    return re.sub(
        r"127\.0\.0\.1:(\d+)",
        lambda match: system.installation.run_address(RUN, int(match[1])),
        text,
    )


def _counted(system: System) -> str:
    """A city and a window in which it has tweets, as they are asked for."""
    config = load(system.home / "etc" / f"spark-job-{RUN}" / "config.toml", {})
    session = tables.wait(config.cassandra)
    query = f"SELECT city_id, window_start FROM {config.keyspace}.city_windows LIMIT 1"  # noqa: S608
    row = session.execute(query).one()
    session.cluster.shutdown()
    return f"{row.city_id} {row.window_start:%Y-%m-%dT%H:%MZ}"
