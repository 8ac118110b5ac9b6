"""Whether Grafana serves, and has the datasources and dashboards that it was provisioned with."""

import base64
import json
import pathlib
import urllib.error
import urllib.request

REFUSED = 401


def unready(request):
    """None when all of it is there, else what is not."""
    health = _get(f"{request['url']}/api/health", {})
    if health.get("database") != "ok":
        return f"its database is {health.get('database', 'not spoken of')}"
    password = pathlib.Path(request["password_file"]).read_text()
    signed = base64.b64encode(f"admin:{password}".encode()).decode()
    for kind, uids in (("datasources", request["datasources"]), ("dashboards", request["dashboards"])):
        for uid in uids:
            try:
                _get(f"{request['url']}/api/{kind}/uid/{uid}", {"Authorization": f"Basic {signed}"})
            except urllib.error.HTTPError as error:
                # Somebody has given it another password since: it serves, and nobody can look further.
                if error.code == REFUSED:
                    return None
                return f"{kind} have no {uid} ({error.code})"
    return None


def _get(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:  # noqa: S310
        return json.load(answer)
