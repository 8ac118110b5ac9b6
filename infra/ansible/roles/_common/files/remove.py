"""Stops services, forgets their definitions, and deletes directories that were theirs."""

import json
import pathlib
import shutil
import sys

import manager

request = json.loads(sys.argv[1])
act = manager.stop if request["keep"] else manager.remove
done = act(request["manager"], request["services"], request["check"])
for name in request["paths"]:
    path = pathlib.Path(name)
    if path.exists():
        done.append(name)
        if not request["check"]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
print(json.dumps(done))
