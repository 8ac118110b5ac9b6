"""Whether this ZooKeeper serves as part of a quorum: asked with the four-letter word `srvr`."""

import re
import socket


def unready(request):
    """None when this server answers as a member of an ensemble with one leader, else what is missing."""
    mode = _mode(request["address"], request["port"])
    if request["members"] == 1:
        return None if mode == "standalone" else f"it is {mode or 'silent'}, not standalone"
    if mode not in ("leader", "follower"):
        return f"it has no quorum yet (it says {mode or 'nothing'})"
    if mode == "leader":
        return None
    modes = [_mode(server["address"], server["client_port"]) for server in request["servers"]]
    return None if modes.count("leader") == 1 else f"the ensemble has no leader: {modes}"


def _mode(address, port):
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            connection.sendall(b"srvr")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError:
        return None
    found = re.search(rb"^Mode: (\w+)", answer, re.MULTILINE)
    return found[1].decode() if found else None
