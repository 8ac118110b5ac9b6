"""Brings directories and configuration files to what is wanted; prints what changed and a digest.

One run for all files of a service: a module run per file costs more than everything else together.
"""

import grp
import hashlib
import json
import os
import pathlib
import pwd
import sys


def properties(data):
    """Java properties, a line each; None leaves a key out."""
    return "".join(f"{key}={_plain(value)}\n" for key, value in data.items() if value is not None)


def _plain(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(_plain(item) for item in value)
    return str(value)


def toml(data, prefix=()):
    """TOML; lists of dicts are arrays of tables, None leaves a key out."""
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    arrays = {key: value for key, value in data.items() if _is_tables(value)}
    text = "".join(
        f"{_key(key)} = {_value(value)}\n"
        for key, value in data.items()
        if key not in tables and key not in arrays and value is not None
    )
    for key, value in tables.items():
        text += f"\n[{'.'.join(map(_key, (*prefix, key)))}]\n" + toml(value, (*prefix, key))
    for key, values in arrays.items():
        for value in values:
            text += f"\n[[{'.'.join(map(_key, (*prefix, key)))}]]\n" + toml(value, (*prefix, key))
    return text


def _is_tables(value):
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key):
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _value(key)


def _value(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # A JSON string is a TOML one, but for what lies beyond 16 bits and for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


RENDER = {"properties": properties, "toml": toml, "text": str}


def bring_directory(wanted, check):
    """Whether the directory was missing or had another owner or mode."""
    path = pathlib.Path(wanted["path"])
    missing = not path.is_dir()
    if missing and not check:
        path.mkdir(parents=True)
    return bring_access(path, wanted, check) or missing


def bring_file(wanted, text, check):
    """Whether the file had other content, owner or mode."""
    path = pathlib.Path(wanted["path"])
    other = not path.is_file() or path.read_bytes() != text.encode()
    if other and not check:
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(text.encode())
        bring_access(new, wanted, check)
        new.replace(path)
    return bring_access(path, wanted, check) or other


def bring_access(path, wanted, check):
    """Whether mode, or (where we may set them) owner and group, had to change."""
    if not path.exists():
        return False
    status, changed = path.stat(), False
    mode = int(wanted["mode"], 8)
    if status.st_mode & 0o7777 != mode:
        changed = True
        if not check:
            path.chmod(mode)
    if wanted.get("owner") and os.geteuid() == 0:
        uid, gid = (
            pwd.getpwnam(wanted["owner"]).pw_uid,
            grp.getgrnam(wanted.get("group") or wanted["owner"]).gr_gid,
        )
        if (status.st_uid, status.st_gid) != (uid, gid):
            changed = True
            if not check:
                os.chown(path, uid, gid)
    return changed


def main():
    """Answer one request; what changed goes to standard output."""
    request = json.loads(sys.argv[1])
    changes = [d["path"] for d in request["directories"] if bring_directory(d, request["check"])]
    digest = hashlib.sha256()
    for file in request["files"]:
        content = RENDER[file["format"]](file["data"])
        digest.update(content.encode())
        if bring_file(file, content, request["check"]):
            changes.append(file["path"])
    print(json.dumps({"changed": changes, "digest": digest.hexdigest()}))


if __name__ == "__main__":
    main()
