"""The service manager of hosts without systemd: supervisord, over its own unix socket.

Programs import this as `manager`. Another service manager offers the same four functions: `ensure`, `state`,
`pids`, `remove`.
"""

import fcntl
import http.client
import os
import pathlib
import resource
import socket
import subprocess
import time
import xmlrpc.client

OPEN_FILES = 100_000
START_DEADLINE_S = 20
RESTART_S = 3
SPAWN_ERROR, ALREADY_STARTED, NOT_RUNNING, BAD_NAME = 50, 60, 70, 10


def ensure(settings, name, check):
    """Start the service `name` when it stands still, restart it when its definition changed.

    Its definition is supervisord's program in conf.d. Returns what was (or, with `check`, would be) done, as
    words; an empty list when all was as wanted.
    """
    if check:
        if not state(settings, name)["running"]:
            return ["start"]
        # It only reads.
        ((_, changed, _),) = _supervisor(settings).reloadConfig()
        return ["restart"] if name in changed else []
    supervisor = _started(settings)
    ((added, changed, _),) = supervisor.reloadConfig()
    if name in changed:
        _stop(supervisor, name)
        supervisor.removeProcessGroup(name)
    if name in changed or name in added:
        supervisor.addProcessGroup(name)
    try:
        supervisor.startProcess(name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == ALREADY_STARTED:
            return []
        # Dead already, or not spawned: supervisord tries again, and who waits for it tells of its deaths.
        if fault.faultCode != SPAWN_ERROR:
            raise
    return ["restart" if name in changed else "start"]


def state(settings, name):
    """How a service stands: `running`, `dead` (it stays so), `deaths` (key of its last one), `detail`."""
    row = next((row for row in _rows(settings) if row["name"] == name), None)
    if row is None:
        return {"running": False, "dead": True, "death": None, "detail": "not known to supervisord"}
    word = row["statename"]
    ended = word in ("BACKOFF", "EXITED", "FATAL")
    # What supervisord restarts is EXITED for a second at most.
    stays = word == "EXITED" and row["now"] - row["stop"] >= RESTART_S
    return {
        "running": word in ("RUNNING", "STARTING"),
        "dead": stays or word in ("FATAL", "STOPPED", "STOPPING", "UNKNOWN"),
        "death": row["stop"] if ended else None,
        "detail": f"{word}, {_ending(row)}" if ended else word,
    }


def _ending(row):
    """supervisord keeps no exit status of what ended before it was up, and tells 0."""
    if row["statename"] == "EXITED":
        return f"exit status {row['exitstatus']}"
    error = row["spawnerr"]
    return "soon after its start" if not error or error.startswith("Exited too quickly") else error


def pids(settings):
    """Process ids of the running services by name."""
    return {row["name"]: row["pid"] for row in _rows(settings) if row["pid"]}


def remove(settings, names, check):
    """Stop services and forget their definitions and logs; returns those that were known."""
    known = {row["name"] for row in _rows(settings)}
    removed = []
    for name in names:
        program = pathlib.Path(settings["directory"], "conf.d", f"{name}.conf")
        if name not in known and not program.exists():
            continue
        removed.append(name)
        if check:
            continue
        program.unlink(missing_ok=True)
        if name in known:
            supervisor = _supervisor(settings)
            _stop(supervisor, name)
            supervisor.removeProcessGroup(name)
            supervisor.reloadConfig()
        for log in pathlib.Path(settings["log_dir"]).glob(f"{name}.log*"):
            log.unlink()
    return removed


def _daemon(settings):
    """supervisord's own section: reached through a unix socket that only its owner may open."""
    directory, socket_path, log_dir = settings["directory"], settings["socket"], settings["log_dir"]
    return (
        f"[unix_http_server]\nfile={socket_path}\nchmod=0600\n\n"
        f"[supervisord]\nlogfile={log_dir}/supervisord.log\nlogfile_maxbytes=5MB\nlogfile_backups=2\n"
        f"pidfile={pathlib.Path(socket_path).with_suffix('.pid')}\nchildlogdir={log_dir}\nidentifier=citypulse\n\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n\n"
        f"[supervisorctl]\nserverurl=unix://{socket_path}\n\n"
        f"[include]\nfiles={directory}/conf.d/*.conf\n"
    )


def _started(settings):
    """The running supervisord, started first when there is none."""
    directory = pathlib.Path(settings["directory"])
    for path in (
        directory / "conf.d",
        pathlib.Path(settings["log_dir"]),
        pathlib.Path(settings["socket"]).parent,
    ):
        path.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _answers(settings):
            _write(directory / "supervisord.conf", _daemon(settings))
            _start(settings, directory / "supervisord.conf")
    return _supervisor(settings)


def _start(settings, configuration):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    # What the shell holds, secrets among it, is not for the services.
    environment = {
        key: os.environ[key] for key in ("HOME", "LANG", "LOGNAME", "PATH", "USER") if key in os.environ
    }
    started = subprocess.run(
        [settings["supervisord"], "-c", str(configuration)],
        env={**environment, "TZ": "UTC"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if started.returncode:
        raise SystemExit(f"supervisord does not start: {started.stdout.strip()}")
    deadline = time.monotonic() + START_DEADLINE_S
    while not _answers(settings):
        if time.monotonic() > deadline:
            raise SystemExit(
                f"supervisord does not answer on {settings['socket']} after {START_DEADLINE_S} s"
            )
        time.sleep(0.1)


def _answers(settings):
    try:
        _supervisor(settings).getPID()
    except OSError:
        return False
    return True


def _rows(settings):
    try:
        return _supervisor(settings).getAllProcessInfo()
    except OSError:
        return []


def _stop(supervisor, name):
    try:
        supervisor.stopProcess(name, True)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in (NOT_RUNNING, BAD_NAME):
            raise


def _write(path, text):
    if path.exists() and path.read_text() == text:
        return False
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(text)
    new.replace(path)
    return True


def _supervisor(settings):
    return xmlrpc.client.ServerProxy(
        "http://supervisor", transport=_UnixTransport(settings["socket"])
    ).supervisor


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return _UnixConnection(self.path)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("supervisor", timeout=300)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
