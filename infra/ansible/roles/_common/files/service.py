"""Brings one service to its definition: started if it stands still, restarted if the definition changed."""

import json
import sys

import manager

request = json.loads(sys.argv[1])
print(json.dumps(manager.ensure(request["manager"], request["service"], request["check"])))
