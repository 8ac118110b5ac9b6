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


request = json.loads(sys.argv[1])
if request["home"]:
    candidates = [pathlib.Path(request["home"])]
else:
    candidates = [pathlib.Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    candidates += sorted(pathlib.Path("/usr/lib/jvm").glob("*")) if pathlib.Path("/usr/lib/jvm").is_dir() else []
    on_path = shutil.which("java")
    candidates += [pathlib.Path(on_path).resolve().parents[1]] if on_path else []
home = next((str(home.resolve()) for home in candidates if version(home) == request["version"]), "")
apt = os.geteuid() == 0 and bool(shutil.which("apt-get")) and not request["home"]
print(json.dumps({"home": home, "apt": apt}))
