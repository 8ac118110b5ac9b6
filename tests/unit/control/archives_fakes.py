"""Small stand-ins for the outside: a checkout of tiny parts, and a Maven that copies from a directory."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from citypulse.control.archives.cache import Cache
from citypulse.control.archives.processes import Children
from citypulse.control.archives.progress import Task
from citypulse.control.archives.workshop import Workshop

COMPONENT = "kafka-9.9.1"
JARS = {"broker.jar": b"the broker", "tools.jar": b"the tools", "zookeeper.jar": b"the keeper"}

MAVEN = """#!/bin/sh
# Copies $FAKE_JARS to the directory that it is told; FAKE_MAVEN=fails or =hangs ends that after one jar.
for argument; do
  case $argument in -DoutputDirectory=*) output=${argument#*=} ;; esac
done
for jar in "$FAKE_JARS"/*.jar; do
  echo "[INFO] Copying $(basename "$jar") to $output/$(basename "$jar")"
  cp "$jar" "$output/"
  case ${FAKE_MAVEN:-} in
    fails) echo "[ERROR] the repository is out of reach"; exit 1 ;;
    hangs) echo $$ >"$FAKE_JARS/pid"; sleep 300 ;;
  esac
done
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Machine:
    """A directory with a checkout, a cache, a home, and a PATH on which Maven is ours."""

    def __init__(self, root: Path) -> None:
        self.checkout = root / "checkout"
        self.home = root / "home"
        self.cache = root / "cache"
        self.jars = root / "jars"
        self.bin = root / "bin"
        for directory in (self.checkout / "archives" / COMPONENT, self.home, self.jars, self.bin):
            directory.mkdir(parents=True)
        self.pom.write_text("<project/>")
        for name, content in JARS.items():
            (self.jars / name).write_bytes(content)
        self.lock(JARS)
        maven = self.bin / "mvn"
        maven.write_text(MAVEN)
        maven.chmod(0o755)

    @property
    def pom(self) -> Path:
        return self.checkout / "archives" / COMPONENT / "pom.xml"

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "FAKE_JARS": str(self.jars), "PIP_NO_INDEX": "1"}

    def lock(self, jars: Mapping[str, bytes]) -> None:
        lines = [f"{sha256(content)}  {COMPONENT}/lib/{name}\n" for name, content in sorted(jars.items())]
        (self.checkout / "archives" / "archives.lock").write_text("".join(lines))

    def distribution(self, name: str, *dependencies: str, requirements: str = "") -> Path:
        directory = self.checkout / "services" / name
        package = directory / "src" / "citypulse" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f'"""{name}."""\n')
        (directory / "README.md").write_text(f"# {name}\n")
        (directory / "requirements.txt").write_text(requirements)
        (directory / "pyproject.toml").write_text(
            f"""[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "citypulse-{name}"
version = "0.1.0"
readme = "README.md"
dependencies = {list(dependencies)!r}

[tool.hatch.build.targets.wheel]
packages = ["src/citypulse"]
"""
        )
        return directory

    def shop(self) -> Workshop:
        self.cache.mkdir(exist_ok=True)
        return Workshop(checkout=self.checkout, cache=Cache(self.cache), children=Children(), java_home=None)

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "citypulse.control.archives", *arguments),
            *("--checkout", str(self.checkout), "--home", str(self.home), "--cache", str(self.cache)),
        ]

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env={**os.environ, **self.environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **extra: str) -> tuple[int, str, str]:
        child = self.start(*arguments, **extra)
        out, err = child.communicate(timeout=240)
        return child.returncode, out, err


class SilentTask(Task):
    """Progress that nobody looks at."""

    def __init__(self) -> None:
        super().__init__("test", None)
        self.states: list[str] = []

    def show(self, state: str, done: float = 0, total: float | None = None) -> None:
        self.states.append(state)

    def end(self, state: str) -> None:
        self.states.append(state)
