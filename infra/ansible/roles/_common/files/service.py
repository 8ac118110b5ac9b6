"""Brings one service to its definition: started if it stands still, restarted if the definition changed."""

import json
import sys

import manager


def main():
    """Answer one request; what was done goes to standard output."""
    request = json.loads(sys.argv[1])
    print(json.dumps(manager.ensure(request["manager"], request["service"], request["check"])))


if __name__ == "__main__":
    main()
