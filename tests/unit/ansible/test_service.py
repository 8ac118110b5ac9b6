"""Services under a real supervisord: brought to their definition, waited for, removed."""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from .conftest import FILTERS

MANAGER = "_common/files/manager_supervisord.py"
SUPERVISORD = Path(sys.executable).with_name("supervisord")
DEADLINE_S = 60


@pytest.fixture(scope="module")
def machine():
    """A home with a supervisord of its own, started while the shell holds a secret."""
    # pytest's own directories are too deep for a socket's path.
    path = Path(tempfile.mkdtemp(prefix="cp-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X_BEARER_TOKEN", "AAAA-of-the-shell")
        yield path
    pid = path / "run/supervisor.pid"
    if pid.exists():
        process = int(pid.read_text())
        os.kill(process, signal.SIGTERM)
        _until(lambda: not Path(f"/proc/{process}").exists(), "supervisord ends")
    shutil.rmtree(path)


@pytest.fixture
def settings(machine):
    if not SUPERVISORD.exists():
        pytest.fail(
            f"{SUPERVISORD} is missing: run the tests in the environment of control/bootstrap.sh --dev"
        )
    return {
        "socket": str(machine / "run/supervisor.sock"),
        "supervisord": str(SUPERVISORD),
        "directory": str(machine / "etc"),
        "log_dir": str(machine / "log"),
    }


@pytest.fixture
def home(machine, settings, program, tmp_path):
    """A directory for one test's service, which is forgotten afterwards."""
    yield tmp_path
    request = {"manager": settings, "services": ["sleeper"], "paths": [], "check": False}
    program(request, manager=MANAGER, remove="_common/files/remove.py")


@pytest.fixture
def bring(program, settings, home):
    def run(command, fingerprint="1", check=False, **more):
        service = {
            "name": "sleeper",
            "command": command,
            "environment": {"GREETING": "100 % well"},
            "directory": str(home),
            "user": "",
            "priority": 10,
            "restart": "always",
            "no_restart_exit_codes": [2, 3],
            "start_seconds": 1,
            "start_retries": 2,
            "stop_signal": "TERM",
            "stop_timeout": 10,
            "log": f"{settings['log_dir']}/sleeper.log",
            "log_bytes": 1000000,
            "log_files": 1,
            "fingerprint": fingerprint,
            **more,
        }
        if not check:
            conf = Path(settings["directory"], "conf.d/sleeper.conf")
            conf.parent.mkdir(parents=True, exist_ok=True)
            conf.write_text(FILTERS["to_supervisord_program"](service))
        request = {"manager": settings, "service": "sleeper", "check": check}
        done = program(request, manager=MANAGER, service="_common/files/service.py")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def wait(program, settings, home):
    def run(probe, deadline=DEADLINE_S, deaths_allowed=0):
        file = home / "probe.py"
        file.write_text(f"def unready(request):\n    {probe}\n")
        request = {
            "manager": settings,
            "service": "sleeper",
            "probe": {},
            "deadline": deadline,
            "deaths_allowed": deaths_allowed,
            "log": f"{settings['log_dir']}/sleeper.log",
        }
        return program(request, manager=MANAGER, probe=str(file), wait="_common/files/wait.py")

    return run


def _pid(home):
    return (home / "pid").read_text().strip()


def _sleeper(home):
    return ["/bin/sh", "-c", f"echo $$ $GREETING > {home}/pid; exec sleep 600"]


def _until(condition, what):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        time.sleep(0.1)


def test_a_service_is_started_once_and_restarted_only_when_it_changed(bring, home):
    assert bring(_sleeper(home)) == ["start"]
    _until((home / "pid").exists, "the service starts")
    first = _pid(home)
    assert first.endswith("100 % well")
    assert bring(_sleeper(home)) == []
    assert _pid(home) == first
    assert bring(_sleeper(home), fingerprint="2") == ["restart"]
    _until(lambda: _pid(home) != first, "the service is restarted")


def test_check_mode_tells_what_it_would_do(bring, home):
    assert bring(_sleeper(home), check=True) == ["start"]
    assert not (home / "pid").exists()
    bring(_sleeper(home))
    assert bring(_sleeper(home), check=True) == []


def test_only_its_owner_may_open_the_socket(bring, home, settings):
    bring(_sleeper(home))
    assert Path(settings["socket"]).stat().st_mode & 0o777 == 0o600


def test_secrets_of_the_shell_do_not_reach_the_services(bring, home):
    bring(["/bin/sh", "-c", f"env > {home}/env.new; mv {home}/env.new {home}/env; exec sleep 600"])
    _until((home / "env").exists, "the service starts")
    assert "AAAA-of-the-shell" not in (home / "env").read_text()
    assert "TZ=UTC" in (home / "env").read_text()


def test_waiting_ends_when_the_probe_is_content(bring, wait, home):
    bring(_sleeper(home))
    done = wait("import os; return None if os.path.exists(" + repr(str(home / "pid")) + ") else 'no pid yet'")
    assert done.returncode == 0, done.stdout


def test_a_service_that_dies_is_not_waited_for_and_its_log_is_shown(bring, wait, home):
    bring(["/bin/sh", "-c", "echo ERROR: the disk is made of cheese; exit 1"])
    done = wait("return 'not yet'")
    assert done.returncode == 1
    assert re.match(r"sleeper died \((BACKOFF|FATAL), soon after its start\), ", done.stdout)
    assert "ERROR: the disk is made of cheese" in done.stdout


def test_a_service_that_cannot_be_spawned_is_reported_with_the_cause(bring, wait, home):
    bring(["/bin/true"], log=str(home))
    done = wait("return 'not yet'")
    assert done.returncode == 1
    assert re.match(r"sleeper died \((BACKOFF|FATAL), .*EISDIR\), ", done.stdout)


def test_an_exit_code_that_forbids_a_restart_is_death_at_once(bring, wait, home):
    bring(["/bin/sh", "-c", "echo a key is wrong; sleep 2; exit 2"])
    done = wait("return 'not yet'", deaths_allowed=100)
    assert done.returncode == 1
    assert "exit status 2" in done.stdout


def test_a_death_that_is_allowed_is_waited_out(bring, wait, home):
    bring(
        [
            "/bin/sh",
            "-c",
            f"test -e {home}/tried && touch {home}/up && exec sleep 600; touch {home}/tried; exit 1",
        ]
    )
    done = wait(f"import os; return None if os.path.exists('{home}/up') else 'not yet'", deaths_allowed=3)
    assert done.returncode == 0, done.stdout


def test_alive_but_not_ready_says_what_is_missing(bring, wait, home):
    bring(_sleeper(home))
    done = wait("return 'broker 2 is not registered'", deadline=1)
    assert done.returncode == 1
    assert "sleeper is alive" in done.stdout
    assert "broker 2 is not registered" in done.stdout


def test_a_service_unknown_to_the_manager_is_dead(bring, wait):
    done = wait("return 'connection refused'")
    assert done.returncode == 1
    assert "not known to supervisord" in done.stdout


def test_removal_stops_it_and_deletes_what_was_its_own(bring, program, settings, home):
    bring(_sleeper(home))
    _until((home / "pid").exists, "the service starts")
    pid = int(_pid(home).split()[0])
    (home / "var").mkdir()
    request = {"manager": settings, "services": ["sleeper"], "paths": [str(home / "var")], "check": False}
    for expected in (["sleeper", str(home / "var")], []):
        done = program(request, manager=MANAGER, remove="_common/files/remove.py")
        assert json.loads(done.stdout) == expected, done.stderr
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(settings["log_dir"], "sleeper.log").exists()
