"""Installs one archive into a directory of its own, once: a stamp there names the archive's sha256.

Hosts that share a machine may ask at the same time: a lock lets one do it and the others find it done.
Prints one of `present`, `installed`, `absent` (with --check) and `needed` (the archive is not on this host).
"""

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

STAMP = ".sha256"
_SAFE = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def install(request):
    """Install what `request` describes, unless it is there."""
    target = pathlib.Path(request["directory"])
    if _stamped(target, request["sha256"]):
        return "present"
    archive = next((path for path in map(pathlib.Path, request["archives"]) if path.is_file()), None)
    if request["check"]:
        return "absent"
    if archive is None:
        return "needed"
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _stamped(target, request["sha256"]):
            return "present"
        _unpack(archive, request["sha256"], target)
        if request["kind"] == "python":
            _make_environment(request["python"], target)
        (target / STAMP).write_text(request["sha256"])
        _tidy(target, request["component"])
    return "installed"


def _stamped(target, sha256):
    stamp = target / STAMP
    return stamp.is_file() and stamp.read_text() == sha256


def _unpack(archive, sha256, target):
    with archive.open("rb") as file:
        found = (
            hashlib.file_digest(file, "sha256").hexdigest() if sys.version_info >= (3, 11) else _sha256(file)
        )
    if found != sha256:
        raise SystemExit(
            f"{archive} has the sha256 {found}, not {sha256} as its manifest says: build the archives anew"
        )
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        tar.extractall(fresh, **_SAFE)  # noqa: S202 - its sha256 was checked
    tops = {name.split("/")[0] for name in names}
    content = fresh / tops.pop() if len(tops) == 1 else fresh
    # What still runs keeps its open files; what opens more must not find half of them.
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    content.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(fresh, ignore_errors=True)


def _sha256(file):
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _make_environment(python, target):
    """Turn unpacked wheels into a virtual environment at the same place, without any network."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    pip = [str(target / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = [
        "--no-index",
        "--find-links",
        "wheels",
        "--require-hashes",
        "--requirement",
        "requirements.txt",
    ]
    for command in ([python, "-m", "venv", str(target)], [*pip, *offline, "--no-cache-dir"]):
        run = subprocess.run(
            command,
            cwd=target,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{run.stdout[-3000:]}")
    shutil.rmtree(target / "wheels")


def _tidy(target, component):
    """Delete other versions that no process uses any more, except the latest one, kept to go back to."""
    others = [p for p in target.parent.glob(f"{component}-*") if p != target and (p / STAMP).exists()]
    others.sort(key=lambda path: (path / STAMP).stat().st_mtime)
    for path in others[:-1]:
        if not _in_use(path):
            shutil.rmtree(path, ignore_errors=True)


def _in_use(path):
    for cmdline in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(f"{path}/") in cmdline.read_bytes():
                return True
        except OSError:
            continue
    return False


def main():
    """Answer one request."""
    print(install(json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
