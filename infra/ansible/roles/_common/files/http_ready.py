"""Whether a service says of itself that it is ready: 200 on a path of its own HTTP port."""

import urllib.error
import urllib.request


def unready(request):
    """None on 200, else what it answers."""
    try:
        with urllib.request.urlopen(request["url"], timeout=5) as answer:  # noqa: S310 - http, by the role
            return None if answer.status == 200 else f"{request['url']} says {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{request['url']} says {error.code} {error.read(300).decode('utf-8', 'replace').strip()}"
