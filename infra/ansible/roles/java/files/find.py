"""Prints where a Java of the wanted version is on this host, and whether apt could install one."""

import json
import os
import pathlib
import re
import shutil
import sys


def version(home):
    """Major version of the Java in `home`, from its release file; 0 where there is none."""
    try:
        release = (home / "release").read_text()
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(found[1]) if found and os.access(home / "bin" / "java", os.X_OK) else 0


def candidates():
    """Where a Java may be: what JAVA_HOME names, what the distribution installed, what the PATH finds."""
    if "JAVA_HOME" in os.environ:
        yield pathlib.Path(os.environ["JAVA_HOME"])
    yield from sorted(pathlib.Path("/usr/lib/jvm").glob("*"))
    on_path = shutil.which("java")
    if on_path:
        yield pathlib.Path(on_path).resolve().parents[1]


def main():
    """Answer one request."""
    request = json.loads(sys.argv[1])
    homes = [pathlib.Path(request["home"])] if request["home"] else candidates()
    found = next((str(home.resolve()) for home in homes if version(home) == request["version"]), "")
    apt = os.geteuid() == 0 and bool(shutil.which("apt-get")) and not request["home"]
    print(json.dumps({"home": found, "apt": apt}))


if __name__ == "__main__":
    main()
