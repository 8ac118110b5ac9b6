"""Whether Spark's standalone cluster has its workers, as the JSON page of its active master tells."""

import json
import urllib.request


def unready(request):
    """None when the wanted worker (or, without one, as many as expected) is ALIVE at the active master."""
    masters = [_page(address) for address in request["masters"]]
    active = next((page for page in masters if page.get("status") == "ALIVE"), None)
    if active is None:
        return f"no master is active: {[page.get('status') or page['error'] for page in masters]}"
    alive = [
        f"{worker['host']}:{worker['port']}" for worker in active["workers"] if worker["state"] == "ALIVE"
    ]
    if request["worker"]:
        return (
            None if request["worker"] in alive else f"{request['worker']} is not registered; alive: {alive}"
        )
    return (
        None
        if len(alive) == request["workers"]
        else f"{len(alive)} of {request['workers']} workers are alive"
    )


def _page(address):
    try:
        with urllib.request.urlopen(f"http://{address}/json/", timeout=5) as answer:
            return json.load(answer)
    except OSError as error:
        return {"error": str(error)}
