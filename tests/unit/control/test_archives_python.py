"""A service's archive installs, without any index, exactly what its requirements.txt allows."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citypulse.control.archives import building, environments, manifest, own, requirements, tars, wheels
from citypulse.control.archives.requirements import Requirement
from citypulse.control.faults import Exit, Fault
from tests.unit.control.archives_fakes import Machine, SilentTask, sha256


def put_wheel(index: Path, name: str = "leaf", version: str = "1.0") -> Requirement:
    """A tiny wheel in a directory that serves as index."""
    info = f"{name}-{version}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    (index / f"{name}-{version}-py3-none-any.whl").write_bytes(buffer.getvalue())
    return Requirement(name=name, version=version, hashes=(sha256(buffer.getvalue()),))


def put_sdist(index: Path, name: str = "stem", version: str = "2.0") -> Requirement:
    """A tiny distribution that is published as source only."""
    files = {
        "setup.py": "from setuptools import setup\n"
        f"setup(name={name!r}, version={version!r}, py_modules=[{name!r}])\n",
        f"{name}.py": "BUILT = True\n",
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    path = index / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for file, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{file}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return Requirement(name=name, version=version, hashes=(sha256(path.read_bytes()),))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "index"
    directory.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def fetch(requirement: Requirement, machine: Machine) -> Path:
    return wheels.wheels([requirement], machine.shop(), SilentTask())[requirement.pin]


def test_a_wheel_is_fetched_once_and_kept(machine: Machine, index: Path) -> None:
    leaf = put_wheel(index)
    first = fetch(leaf, machine)
    assert sha256(first.read_bytes()) in leaf.hashes
    next(index.glob("*.whl")).unlink()
    assert fetch(leaf, machine) == first


def test_a_file_with_another_checksum_is_named(machine: Machine, index: Path) -> None:
    put_wheel(index)
    wanted = Requirement(name="leaf", version="1.0", hashes=("0" * 64,))
    with pytest.raises(Fault, match=r"leaf-1\.0-py3-none-any\.whl has a wrong checksum"):
        fetch(wanted, machine)
    assert not list(machine.cache.glob("wheels/*/*.whl"))


def test_of_several_files_the_wrong_one_is_named(machine: Machine, index: Path) -> None:
    several = [put_wheel(index, name) for name in ("alpha", "beta", "gamma")]
    several[1] = Requirement(name="beta", version="1.0", hashes=("0" * 64,))
    with pytest.raises(Fault, match=r"beta-1\.0-py3-none-any\.whl has a wrong checksum"):
        wheels.wheels(several, machine.shop(), SilentTask())


def test_a_version_that_no_index_has_is_named_with_pips_words(machine: Machine, index: Path) -> None:
    with pytest.raises(Fault, match=r"could not fetch absent==1\.0") as caught:
        fetch(Requirement(name="absent", version="1.0", hashes=("0" * 64,)), machine)
    assert "absent" in caught.value.detail


def test_a_source_distribution_is_built_once_and_its_wheel_remembered(machine: Machine, index: Path) -> None:
    stem = put_sdist(index)
    first = fetch(stem, machine)
    assert first.suffix == ".whl"
    next(index.glob("*.tar.gz")).unlink()
    assert fetch(stem, machine) == first


def test_a_kept_wheel_that_was_damaged_is_fetched_again(machine: Machine, index: Path) -> None:
    for requirement in (put_wheel(index), put_sdist(index)):
        kept = fetch(requirement, machine)
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-1])
        assert fetch(requirement, machine).read_bytes() == whole


def test_own_distributions_are_found_through_their_dependencies(machine: Machine) -> None:
    machine.distribution("events", "msgspec>=0.19")
    machine.distribution("places", "citypulse-events")
    machine.distribution("producer", "citypulse-places==0.1.0", "click")
    names = [distribution.name for distribution in own.closure("producer", machine.shop())]
    assert names == ["citypulse-events", "citypulse-places", "citypulse-producer"]


def test_every_change_of_source_is_another_version(machine: Machine) -> None:
    source = machine.distribution("events") / "src" / "citypulse" / "events" / "__init__.py"
    before = own.closure("events", machine.shop())[0]
    assert before.version.startswith("0.1.0+src")
    assert own.closure("events", machine.shop())[0] == before
    source.write_text("CHANGED = True\n")
    assert own.closure("events", machine.shop())[0].version != before.version


def test_compiled_files_beside_the_source_change_nothing(machine: Machine) -> None:
    directory = machine.distribution("events")
    before = own.closure("events", machine.shop())
    compiled = directory / "src" / "citypulse" / "events" / "__pycache__"
    compiled.mkdir()
    (compiled / "x.cpython-311.pyc").write_bytes(b"compiled")
    assert own.closure("events", machine.shop()) == before


def test_a_distribution_without_pyproject_is_bad_input(machine: Machine) -> None:
    with pytest.raises(Fault, match=r"services/events/pyproject\.toml") as caught:
        own.closure("events", machine.shop())
    assert caught.value.code == Exit.BAD_INPUT


def test_a_service_installs_from_its_archive_alone(machine: Machine, index: Path, tmp_path: Path) -> None:
    lines = [put_wheel(index).line, put_sdist(index).line]
    machine.distribution("events", "leaf")
    machine.distribution("producer", "citypulse-events==0.1.0", "stem", requirements="\n".join(lines))
    archive = environments.archive("producer", machine.shop(), SilentTask())
    assert (archive.component, archive.python) == (
        "python-producer",
        f"{sys.version_info.major}.{sys.version_info.minor}",
    )
    host = tmp_path / "host"
    shutil.unpack_archive(archive.path, host)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--target", host / "site"),
            *("--no-index", "--find-links", "wheels", "--require-hashes", "-r", "requirements.txt"),
        ],
        cwd=host,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
        timeout=240,
    )
    assert (host / "site" / "leaf.py").exists()
    assert (host / "site" / "stem.py").exists()
    assert (host / "site" / "citypulse" / "producer" / "__init__.py").exists()
    assert (host / "site" / "citypulse" / "events" / "__init__.py").exists()


def test_an_environment_is_installed_from_the_cache(machine: Machine, index: Path, tmp_path: Path) -> None:
    locked = tmp_path / "requirements-dev.txt"
    locked.write_text(f"{put_wheel(index).line}\n{put_sdist(index).line}\n")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    building.install(locked, python, machine.home, machine.cache)
    subprocess.run([python, "-c", "import leaf, stem"], check=True, timeout=60)
    kept = sorted(path.name for path in machine.cache.glob("wheels/*/*.whl"))
    assert [name.split("-")[0] for name in kept] == ["leaf", "stem"]


def test_names_may_be_as_long_as_wheels_have_them(machine: Machine, index: Path) -> None:
    leaf = put_wheel(index)
    long = index / f"leaf-1.0-{'.'.join(f'py{n}' for n in range(3, 40))}-none-any.whl"
    next(index.glob("leaf*")).rename(long)
    machine.distribution("replay", requirements=leaf.line)
    archive = environments.archive("replay", machine.shop(), SilentTask())
    assert f"wheels/{long.name}" in tars.contents(Path(archive.path))


def test_two_archives_of_a_service_are_equal_to_the_byte(
    machine: Machine, index: Path, tmp_path: Path
) -> None:
    machine.distribution("replay", requirements=put_sdist(index).line)
    first = Path(environments.archive("replay", machine.shop(), SilentTask()).path)
    machine.cache = tmp_path / "another-cache"
    second = Path(environments.archive("replay", machine.shop(), SilentTask()).path)
    assert first != second
    assert first.read_bytes() == second.read_bytes()


def test_a_dependency_that_is_not_locked_is_found_before_any_host_is(machine: Machine, index: Path) -> None:
    put_wheel(index)
    machine.distribution("replay", "leaf")
    with pytest.raises(Fault, match=r"requirements\.txt lacks what its pyproject\.toml asks for"):
        environments.archive("replay", machine.shop(), SilentTask())
    assert not list(machine.cache.glob("archives/*.tar"))


def test_requirements_are_read_as_pip_compile_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(
        f"# a comment\nzeta==2.0 \\\n    --hash=sha256:{'a' * 64} \\\n"
        f"    --hash=sha256:{'b' * 64}\n    # via x\n"
        f'old==1 ; python_version < "3" \\\n    --hash=sha256:{"c" * 64}\n'
        f'alpha[extra]==1.5 ; python_version >= "3" --hash=sha256:{"d" * 64}\n'
    )
    assert requirements.read(path) == [
        Requirement(name="alpha", version="1.5", hashes=("d" * 64,)),
        Requirement(name="zeta", version="2.0", hashes=("a" * 64, "b" * 64)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "leaf",
        "leaf>=1 --hash=sha256:" + "a" * 64,
        "leaf==1",
        "leaf==1 --hash=md5:abc",
        "--index-url somewhere",
    ],
)
def test_a_line_that_could_install_something_else_tomorrow_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(line + "\n")
    with pytest.raises(Fault, match=r"requirements\.txt") as caught:
        requirements.read(path)
    assert caught.value.code == Exit.BAD_INPUT


names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?", fullmatch=True)
versions = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(\+src[0-9a-f]{12})?", fullmatch=True)
hashes = st.lists(st.from_regex(r"[0-9a-f]{64}", fullmatch=True), min_size=1, max_size=3, unique=True)


@given(st.dictionaries(names, st.tuples(versions, hashes), max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, wanted: dict) -> None:  # type: ignore[type-arg]
    listed = [
        Requirement(name=name, version=version, hashes=tuple(sorted(digests)))
        for name, (version, digests) in sorted(wanted.items())
    ]
    path = tmp_path_factory.mktemp("requirements") / "requirements.txt"
    path.write_text("".join(f"{requirement.line}\n" for requirement in listed))
    assert requirements.read(path) == listed


def test_the_manifest_is_read_as_it_was_written_and_left_alone_when_equal(tmp_path: Path) -> None:
    archives = [
        manifest.Archive(component="kafka", version="3.9.1", path="/c/kafka.tar", sha256="a" * 64),
        manifest.Archive(
            component="python-spark", version="abc", path="/c/s.tar", sha256="b" * 64, python="3.11"
        ),
    ]
    manifest.write(tmp_path, list(archives))
    written = (tmp_path / "archives.json").stat()
    manifest.write(tmp_path, list(archives))
    assert (tmp_path / "archives.json").stat().st_ino == written.st_ino
    assert manifest.read(tmp_path) == {archive.component: archive for archive in archives}
