"""bootstrap.sh on machines that lack something: it installs it, or says in one sentence what is missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).resolve().parents[3] / "control" / "bootstrap.sh"

TOOLS = """
bash cat chmod cp dirname echo env flock grep head id ln mkdir
mv printf readlink rm sed sha256sum sleep tail touch
"""

PYTHON = """#!/bin/sh
echo "$*" >>"$CALLS/python"
case "$1 $2" in
  "-m venv")
    mkdir -p "$3/bin" "$3/lib/python3.11/site-packages"
    cp "$0" "$3/bin/python"
    [ ! -e "$CALLS/venv-fails" ] || { echo "no space left, says venv"; exit 1; }
    ;;
esac
"""

APT = """#!/bin/sh
echo "$*" >>"$CALLS/apt"
if [ -e "$CALLS/locked" ]; then
  rm "$CALLS/locked"
  echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 42 (apt)" >&2
  exit 100
fi
case "$*" in *install*) ;; *) exit 0 ;; esac
case "$*" in *openjdk*) mkdir -p "$CITYPULSE_JVM_DIR/java-17/bin"
  echo 'JAVA_VERSION="17.0.1"' >"$CITYPULSE_JVM_DIR/java-17/release"
  echo '#!/bin/sh' >"$CITYPULSE_JVM_DIR/java-17/bin/java"; chmod +x "$CITYPULSE_JVM_DIR/java-17/bin/java" ;;
esac
case "$*" in *maven*) echo '#!/bin/sh' >"$BIN/mvn"; chmod +x "$BIN/mvn" ;; esac
case "$*" in *python3-venv*) cp "$CALLS/python.sh" "$BIN/python3"; chmod +x "$BIN/python3" ;; esac
"""


class Machine:
    """A PATH with a few tools, an empty home, a directory for Javas."""

    def __init__(self, root: Path) -> None:
        self.bin, self.home, self.jvm, self.calls = (root / n for n in ("bin", "home", "jvm", "calls"))
        for directory in (self.bin, self.jvm, self.calls):
            directory.mkdir()
        for tool in TOOLS.split():
            found = shutil.which(tool)
            assert found, f"these tests need {tool}"
            (self.bin / tool).symlink_to(found)
        self.put("id", "#!/bin/sh\necho 0\n")
        (self.calls / "python.sh").write_text(PYTHON)

    def put(self, name: str, script: str) -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def put_java(self, directory: Path, version: str) -> Path:
        (directory / "bin").mkdir(parents=True)
        (directory / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
        (directory / "bin" / "java").write_text("#!/bin/sh\n")
        (directory / "bin" / "java").chmod(0o755)
        return directory

    def put_apt(self, has_java_17: bool = True) -> None:
        self.put("apt-get", APT)
        self.put("apt-cache", f"#!/bin/sh\nexit {0 if has_java_17 else 100}\n")

    def complete(self) -> None:
        self.put_java(self.jvm / "java-17", "17.0.15")
        self.put("mvn", "#!/bin/sh\n")
        self.put("python3", PYTHON)

    def bootstrap(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        assert (self.bin / "bash").exists()
        return subprocess.run(
            [self.bin / "bash", BOOTSTRAP, *arguments],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.home.parent),
                "BIN": str(self.bin),
                "CALLS": str(self.calls),
                "CITYPULSE_HOME": str(self.home),
                "CITYPULSE_JVM_DIR": str(self.jvm),
                "CITYPULSE_SYSTEM_PYTHON": str(self.bin / "system-python3"),
                **environment,
            },
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def said_to(self, command: str) -> str:
        path = self.calls / command
        return path.read_text() if path.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_apt_one_sentence_names_all_that_is_missing_and_the_command(machine: Machine) -> None:
    done = machine.bootstrap()
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "missing: Java 17, Maven, Python 3.11 or later with venv;" in done.stderr
    assert "apt-get install openjdk-17-jre-headless maven python3 python3-venv" in done.stderr


def test_who_is_not_root_and_has_no_sudo_is_told_the_command(machine: Machine) -> None:
    machine.complete()
    machine.put("id", "#!/bin/sh\necho 1000\n")
    machine.put_apt()
    (machine.bin / "mvn").unlink()
    done = machine.bootstrap()
    assert done.returncode == 2
    assert done.stderr.startswith("bootstrap: missing: Maven; as root run `apt-get install maven`")
    assert machine.said_to("apt") == ""


def test_sudo_without_a_password_installs(machine: Machine) -> None:
    machine.complete()
    machine.put("id", "#!/bin/sh\necho 1000\n")
    machine.put("sudo", '#!/bin/sh\nshift\n[ "$1" = true ] || exec "$@"\n')
    machine.put_apt()
    (machine.bin / "mvn").unlink()
    done = machine.bootstrap()
    assert done.returncode == 0, done.stderr
    assert "install --no-install-recommends maven" in machine.said_to("apt")


def test_where_apt_has_no_java_17_the_sentence_names_java_home(machine: Machine) -> None:
    machine.complete()
    shutil.rmtree(machine.jvm / "java-17")
    machine.put_apt(has_java_17=False)
    done = machine.bootstrap()
    assert done.returncode == 2
    assert "JAVA_HOME=/path/to/java-17" in done.stderr
    assert "install" not in machine.said_to("apt")


def test_what_is_missing_is_installed_in_one_go(machine: Machine) -> None:
    machine.put_apt()
    done = machine.bootstrap()
    assert done.returncode == 0, done.stderr
    installs = [line for line in machine.said_to("apt").splitlines() if "install" in line]
    assert installs == [
        "-y -q install --no-install-recommends openjdk-17-jre-headless maven python3 python3-venv"
    ]
    assert (machine.home / "java_home").read_text().strip() == str(machine.jvm / "java-17")
    assert (machine.home / "venv" / "bin" / "python").exists()


def test_a_package_manager_in_use_is_waited_for_with_a_word(machine: Machine) -> None:
    machine.put_apt()
    (machine.calls / "locked").touch()
    done = machine.bootstrap()
    assert done.returncode == 0, done.stderr
    assert "waiting for the package manager: held by process 42 (apt)" in done.stderr


def test_a_package_manager_that_stays_in_use_ends_in_a_sentence(machine: Machine) -> None:
    machine.put_apt()
    machine.put(
        "apt-get", "#!/bin/sh\necho 'E: Could not get lock /x. It is held by process 7 (dpkg)'\nexit 100\n"
    )
    done = machine.bootstrap(CITYPULSE_LOCK_WAIT="1")
    assert done.returncode == 1
    assert "another process has held the package manager for 1 s" in done.stderr


def test_a_java_of_another_version_is_not_taken(machine: Machine, tmp_path: Path) -> None:
    machine.complete()
    java_21 = machine.put_java(tmp_path / "jdk-21", "21.0.2")
    done = machine.bootstrap(JAVA_HOME=str(java_21))
    assert done.returncode == 0, done.stderr
    assert (machine.home / "java_home").read_text().strip() == str(machine.jvm / "java-17")


def test_java_home_comes_first_when_it_is_a_java_17(machine: Machine, tmp_path: Path) -> None:
    machine.complete()
    assert machine.bootstrap().returncode == 0
    mine = machine.put_java(tmp_path / "mine", "17.0.9")
    assert machine.bootstrap(JAVA_HOME=str(mine)).returncode == 0
    assert (machine.home / "java_home").read_text().strip() == str(mine)


def test_a_second_call_does_nothing(machine: Machine) -> None:
    machine.complete()
    first = machine.bootstrap()
    assert "made" in first.stderr
    before = machine.said_to("python")
    second = machine.bootstrap()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert machine.said_to("python") == before


def test_an_environment_that_was_not_finished_is_not_shown_and_is_made_anew(machine: Machine) -> None:
    machine.complete()
    (machine.calls / "venv-fails").touch()
    done = machine.bootstrap()
    assert done.returncode == 1
    assert "no space left, says venv" in done.stderr
    assert not (machine.home / "venv").exists()
    (machine.calls / "venv-fails").unlink()
    assert machine.bootstrap().returncode == 0
    assert (machine.home / "venv" / "made").exists()


def test_the_tools_of_the_tests_import_the_services_from_the_checkout(machine: Machine) -> None:
    machine.complete()
    assert machine.bootstrap("--dev").returncode == 0
    paths = (
        (machine.home / "dev/lib/python3.11/site-packages/citypulse-services.pth").read_text().splitlines()
    )
    assert str(BOOTSTRAP.parents[1] / "services" / "events" / "src") in paths
    installs = [line for line in machine.said_to("python").splitlines() if "-dev.txt" in line]
    assert len(installs) == 1
    assert installs[0].startswith("-m citypulse.control.archives install")


def test_an_unknown_option_is_bad_input(machine: Machine) -> None:
    done = machine.bootstrap("--fast")
    assert done.returncode == 2
    assert done.stderr == "bootstrap: unknown option --fast: there is only --dev.\n"


def test_a_home_that_is_a_file_is_bad_input(machine: Machine) -> None:
    machine.home.write_text("")
    done = machine.bootstrap()
    assert done.returncode == 2
    assert f"CITYPULSE_HOME={machine.home} cannot be written" in done.stderr


def test_a_home_with_a_space_is_bad_input_and_is_not_made(machine: Machine) -> None:
    done = machine.bootstrap(CITYPULSE_HOME=f"{machine.home} of mine")
    assert done.returncode == 2
    assert f"CITYPULSE_HOME={machine.home} of mine cannot be used" in done.stderr
    assert not Path(f"{machine.home} of mine").exists()


def test_a_home_may_be_named_from_where_one_is(machine: Machine) -> None:
    machine.complete()
    done = machine.bootstrap(CITYPULSE_HOME=machine.home.name)
    assert done.returncode == 0, done.stderr
    assert (machine.home / "venv" / "bin" / "python").exists()
