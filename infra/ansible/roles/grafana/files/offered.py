"""Whether this host can have the vendor's package of Grafana; prints a sentence where it cannot."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

OFFERED_S = 60
REACHED_S = 10


def missing(request):
    """Why the package cannot come; empty where it can."""
    if not shutil.which("apt-cache"):
        return "the host has no apt for the vendor's package"
    if os.geteuid() != 0:
        return "only root can install the vendor's package"
    if _offers(request["version"]):
        return ""
    if not request["repository"]:
        return (
            f"the host's apt does not offer grafana {request['version']}, nor is grafana_apt_repository given"
        )
    return _unreached(request["repository"])


def _offers(version):
    listed = subprocess.run(
        ["apt-cache", "madison", "grafana"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=OFFERED_S,
        check=False,
    )
    return any(version == line.split("|")[1].strip() for line in listed.stdout.splitlines() if "|" in line)


def _unreached(line):
    """A line is `deb [options] address suite component…`."""
    words = line.split("]")[-1].replace("deb ", "", 1).split()
    if len(words) < 2 or not words[0].startswith(("http://", "https://")):
        return f"grafana_apt_repository is {line!r}, no line such as `deb https://host/path suite component`"
    index = f"{words[0].rstrip('/')}/dists/{words[1]}/InRelease"
    try:
        with urllib.request.urlopen(index, timeout=REACHED_S):  # noqa: S310 - looked at above
            return ""
    except (OSError, ValueError) as error:
        return f"{index} cannot be reached ({error})"


def main():
    """Answer one request."""
    print(missing(json.loads(sys.argv[1])))


if __name__ == "__main__":
    main()
