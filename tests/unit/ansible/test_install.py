"""An archive is installed once, whole, whoever asks at the same time; a wrong one is not installed at all."""

import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

SOURCE = {"install": "_common/files/install.py"}


def _tar(path, name, text):
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo(f"{name}/lib/{name}.jar")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def install(program, tmp_path):
    def run(version="1", text="jar", sha256="", check=False, archive=None):
        archive = archive or tmp_path / f"server-{version}.tar"
        digest = _tar(archive, f"server-{version}", text) if not archive.exists() else sha256
        request = {
            "component": "server",
            "kind": "jars",
            "directory": str(tmp_path / "opt" / f"server-{version}"),
            "sha256": sha256 or digest,
            "archives": [str(tmp_path / "nowhere.tar"), str(archive)],
            "python": "",
            "check": check,
        }
        return program(request, **SOURCE)

    return run


def test_what_is_missing_is_installed_and_found_the_second_time(install, tmp_path):
    archive = tmp_path / "server-1.tar"
    assert install().stdout.strip() == "installed"
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert install(sha256=sha256).stdout.strip() == "present"
    assert (tmp_path / "opt/server-1/lib/server-1.jar").read_text() == "jar"


def test_another_archive_of_the_same_version_takes_its_place(install, tmp_path):
    install(text="old")
    again = install(text="new", archive=tmp_path / "rebuilt.tar")
    assert again.stdout.strip() == "installed"
    assert (tmp_path / "opt/server-1/lib/server-1.jar").read_text() == "new"


def test_a_wrong_checksum_names_the_file_and_installs_nothing(install, tmp_path):
    done = install(sha256="0" * 64)
    assert done.returncode == 1
    assert f"{tmp_path / 'server-1.tar'} has the sha256" in done.stderr
    assert not (tmp_path / "opt/server-1").exists()


def test_an_archive_that_the_host_cannot_see_is_asked_for(program, tmp_path):
    request = {
        "component": "server",
        "kind": "jars",
        "directory": str(tmp_path / "opt/server-1"),
        "sha256": "0" * 64,
        "archives": [str(tmp_path / "nowhere.tar")],
        "python": "",
        "check": False,
    }
    assert program(request, **SOURCE).stdout.strip() == "needed"


def test_check_mode_only_tells(install, tmp_path):
    assert install(check=True).stdout.strip() == "absent"
    assert not (tmp_path / "opt").exists()


def test_of_several_that_ask_at_once_one_installs(install, tmp_path):
    sha256 = _tar(tmp_path / "server-1.tar", "server-1", "jar")
    with ThreadPoolExecutor(4) as pool:
        words = list(pool.map(lambda _: install(sha256=sha256).stdout.strip(), range(4)))
    assert sorted(words) == ["installed", "present", "present", "present"]


def test_old_versions_go_but_the_last_one_stays_to_go_back_to(install, tmp_path):
    for version in "123":
        assert install(version).stdout.strip() == "installed"
    assert sorted(path.name for path in (tmp_path / "opt").glob("server-*")) == ["server-2", "server-3"]
