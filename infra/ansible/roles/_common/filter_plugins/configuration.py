"""Filters that write configuration as its readers read it: properties, TOML, INI, supervisord programs."""

import shlex

import tomli_w
from ansible.errors import AnsibleFilterError


def to_properties(data):
    """Java properties, a line each; None leaves a key out."""
    return "".join(f"{key}={_property(value)}\n" for key, value in data.items() if value is not None)


def _property(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_property(item) for item in value)
    return str(value)


def to_toml(data):
    """TOML; None leaves a key to its reader's default."""
    return tomli_w.dumps(_set(data))


def _set(data):
    if isinstance(data, dict):
        return {key: _set(value) for key, value in data.items() if value is not None}
    return [_set(item) for item in data] if isinstance(data, list) else data


def to_ini(data):
    """Sections with a line for each key; None leaves a key to its reader's default."""
    return "\n".join(
        f"[{section}]\n"
        + "".join(f"{key} = {_ini(key, value)}\n" for key, value in keys.items() if value is not None)
        for section, keys in data.items()
    )


def _ini(key, value):
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any(sign in text for sign in ("\n", ";", "#")):
        raise AnsibleFilterError(f"an INI file cannot hold {key}: a line end, ; or # is in {text!r}")
    return text


def to_supervisord_program(service):
    """The section of a service (see tasks/service.yml) in supervisord's configuration."""
    codes = sorted({*service["no_restart_exit_codes"], *([0] if service["restart"] == "on-failure" else [])})
    environment = {**service["environment"], "CITYPULSE_FINGERPRINT": service["fingerprint"]}
    keys = {
        "command": _escape(" ".join(shlex.quote(str(word)) for word in service["command"])),
        "directory": _escape(service["directory"]),
        "environment": ",".join(f'{key}="{_escape(value)}"' for key, value in sorted(environment.items())),
        "priority": service["priority"],
        # What runs is decided by whoever starts it, not by what once was defined.
        "autostart": "false",
        "autorestart": {"never": "false"}.get(service["restart"], "unexpected" if codes else "true"),
        "exitcodes": ",".join(str(code) for code in codes) or "0",
        "startsecs": service["start_seconds"],
        "startretries": service["start_retries"],
        "stopsignal": service["stop_signal"],
        "stopwaitsecs": service["stop_timeout"],
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _escape(service["log"]),
        "stdout_logfile_maxbytes": service["log_bytes"],
        "stdout_logfile_backups": service["log_files"],
    }
    if service["user"]:
        keys["user"] = service["user"]
    return f"[program:{service['name']}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())


def _escape(value):
    text = str(value).replace("%", "%%")
    if '"' in text or "\n" in text or " ;" in text or " #" in text:
        raise AnsibleFilterError(
            f"supervisord cannot hold {text!r}: a quotation mark, a line end, or ' ;' or ' #' is in it"
        )
    return text


class FilterModule:
    """What Ansible looks for."""

    def filters(self):
        """Name -> filter."""
        return {
            "to_properties": to_properties,
            "to_toml": to_toml,
            "to_ini": to_ini,
            "to_supervisord_program": to_supervisord_program,
        }
