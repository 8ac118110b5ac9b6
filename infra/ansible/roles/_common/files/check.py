"""Looks at a host before anything is changed on it; prints the list of problems, a sentence each."""

import ipaddress
import json
import os
import pathlib
import re
import sys

import manager

LISTEN = "0A"
PLAIN = re.compile(r"[\w./~+@=,-]+")


def problems(request):
    """All that stands in the way of the service on this host."""
    own = manager.pids(request["manager"])
    found = []
    if len(os.fsencode(request["manager"].get("socket", ""))) > 95:
        found.append(f"{request['manager']['socket']} is too long a path for a socket: choose a shorter home")
    if not PLAIN.fullmatch(request["path"]):
        found.append(
            f"{request['path']} has a space or sign that Java's options can't hold: choose another home"
        )
    found += ports(request, own)
    found += memory(request, own)
    found += disk(request)
    return found


def ports(request, own):
    """Ports that somebody else listens on, each with its owner."""
    listening = _listening()
    for what, port in request["ports"].items():
        if not 1 <= port <= 65535:
            yield f"{port} is no port for {request['service']} ({what}): choose another port offset"
            continue
        for address, inode in listening.get(port, []):
            if address not in (request["address"], "0.0.0.0", "::"):  # noqa: S104 - compared, not bound
                continue
            pid = _owner(inode)
            if pid and own.get(request["service"]) in _ancestry(pid):
                continue
            owner = _named(pid, own) if pid else "a process of another user"
            yield f"port {port}, wanted by {request['service']} ({what}), is taken by {owner}"


def _named(pid, own):
    chain = _ancestry(pid)
    service = next((name for name, main in own.items() if main in chain), None)
    return (
        f"our own service {service}: stop that first"
        if service
        else f"{_read(f'/proc/{pid}/comm')} (pid {pid})"
    )


def memory(request, own):
    """Whether free memory, with what our own services already have of it, is enough."""
    lines = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    ours = sum(_resident_kb(pid) for pid in _descendants(set(own.values())))
    free_mb = (int(lines["MemAvailable"].split()[0]) + ours) // 1024
    if free_mb < request["memory_mb"]:
        yield (
            f"{free_mb} MB of memory are free, {request['memory_mb']} MB are needed:"
            " stop something or use a larger machine"
        )


def disk(request):
    """Whether the disk that holds the data has enough room."""
    path = pathlib.Path(request["path"])
    while not path.exists():
        path = path.parent
    status = os.statvfs(path)
    free_mb = status.f_bavail * status.f_frsize // 2**20
    if free_mb < request["disk_mb"]:
        yield (
            f"{free_mb} MB of disk are free at {path}, {request['disk_mb']} MB are needed:"
            " free some or choose another home"
        )


def _listening():
    """Port -> [(address, socket inode)] of all listening TCP sockets."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in _read(f"/proc/net/{name}").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN:
                address, port = fields[1].split(":")
                found.setdefault(int(port, 16), []).append((_address(address), fields[9]))
    return found


def _address(text):
    # The kernel prints each 32-bit word in its own byte order.
    raw = b"".join(int(text[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _owner(inode):
    for descriptor in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                return int(descriptor.parts[2])
        except OSError:
            continue
    return None


def _ancestry(pid):
    chain = []
    while pid > 1:
        chain.append(pid)
        pid = _parent(pid)
    return chain


def _parent(pid):
    # The name may hold spaces and parentheses; what follows the last one is regular.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def _descendants(roots):
    if not roots:
        return set()
    pids = [int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*")]
    return {pid for pid in pids if roots.intersection(_ancestry(pid))}


def _resident_kb(pid):
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 1024 if fields else 0


def _read(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def main():
    """Answer one request."""
    print(json.dumps(problems(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
