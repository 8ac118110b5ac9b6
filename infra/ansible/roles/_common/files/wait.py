"""Waits until a service serves, told by its role's probe; tells dead from not yet.

Exit 0: it serves. Exit 1: it is dead or the deadline is over; standard output says why.
"""

import json
import pathlib
import re
import sys
import time

import manager
import probe

TELLING = re.compile(r"ERROR|FATAL|Exception|Error:|Traceback|refused|cannot", re.IGNORECASE)
TAIL_LINES = 15
TELLING_LINES = 5


def wait(request):
    """None once the probe is content, else the sentence that says why it will not be."""
    name, began = request["service"], time.monotonic()
    deaths = set()
    while True:
        # Not ready is an answer of the probe; that it could not ask at all is one too.
        try:
            why = probe.unready(request["probe"])
        except (OSError, ValueError) as error:
            why = str(error) or type(error).__name__
        if why is None:
            return None
        waited = time.monotonic() - began
        state = manager.state(request["manager"], name)
        if state["death"] is not None:
            deaths.add(state["death"])
        if state["dead"] or len(deaths) > request["deaths_allowed"]:
            return f"{name} died ({state['detail']}), {waited:.0f} s after the wait began"
        if waited > request["deadline"]:
            return f"{name} is alive ({state['detail']}) but not ready after {waited:.0f} s: {why}"
        time.sleep(0.3 if waited < 3 else 0.7)


def end_of_log(path):
    """The last lines of the log, and before them the last ones that tell of an error."""
    try:
        with pathlib.Path(path).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - 200_000))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return [f"(no log at {path})"]
    tail = lines[-TAIL_LINES:]
    if any(TELLING.search(line) for line in tail):
        return tail
    return [line for line in lines[:-TAIL_LINES] if TELLING.search(line)][-TELLING_LINES:] + tail


def main():
    """Answer one request."""
    request = json.loads(sys.argv[1])
    sentence = wait(request)
    if sentence:
        print(f"{sentence}. The end of {request['log']}:")
        print("\n".join(f"  | {line[:300]}" for line in end_of_log(request["log"])))
        sys.exit(1)


if __name__ == "__main__":
    main()
