"""Stops services, forgets their definitions and logs, and deletes directories that were theirs."""

import json
import pathlib
import shutil
import sys

import manager


def main():
    """Answer one request; what was removed goes to standard output."""
    request = json.loads(sys.argv[1])
    done = manager.remove(request["manager"], request["services"], request["check"])
    for name in request["paths"]:
        if pathlib.Path(name).exists():
            done.append(name)
            if not request["check"]:
                shutil.rmtree(name)
    print(json.dumps(done))


if __name__ == "__main__":
    main()
