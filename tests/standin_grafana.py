"""A stand-in for Grafana's layout, and for nothing else of it: its files, how it is started, what it reads.

It draws nothing and queries nothing. As `bin/grafana server --homepath … --config …` it reads grafana.ini
with what lies in files, serves /api/health where that says, and tells by API which of the provisioned
datasources and dashboards it found. So a role's whole way can be gone where Grafana cannot be had; of
Grafana it shows nothing.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import io
import json
import re
import sys
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

PLUGIN = "hadesarchitect-cassandra-datasource"


def archive(path: Path, version: str, without: str = "") -> Path:
    """A .tar.gz with Grafana's layout; `without` leaves a file out."""
    files = {
        "bin/grafana": f"#!{sys.executable}\n{Path(__file__).read_text()}",
        "conf/defaults.ini": "[server]\n",
        "public/index.html": "",
        "VERSION": version,
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            if name != without:
                entry = tarfile.TarInfo(f"grafana-{version}/{name}")
                entry.size = len(text.encode())
                entry.mode = 0o755 if name.startswith("bin/") else 0o644
                tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def plugin(path: Path, version: str, name: str = PLUGIN) -> Path:
    """A .zip with the plugin's layout."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{PLUGIN}/plugin.json", json.dumps({"id": name, "info": {"version": version}}))
        packed.writestr(f"{PLUGIN}/cassandra-plugin_linux_amd64", "the plugin's program")
    return path


class _Settings:
    """grafana.ini, as Grafana reads it."""

    def __init__(self, config: str) -> None:
        self._read = configparser.ConfigParser(interpolation=None)
        self._read.read_string(Path(config).read_text())

    def get(self, section: str, key: str) -> str:
        """A value, or what the file holds that it names."""
        value = self._read[section][key]
        file = re.fullmatch(r"\$__file\{(.+)\}", value)
        return Path(file[1]).read_text() if file else value


def _provisioned(settings: _Settings) -> dict[str, dict[str, object]]:
    directory = Path(settings.get("paths", "provisioning"))
    for name in ("plugins", "alerting"):
        if not (directory / name).is_dir():
            raise SystemExit(f"{directory / name} is not there")
    if not list(Path(settings.get("paths", "plugins")).glob("*/plugin.json")):
        raise SystemExit("there is no plugin")
    datasources, dashboards = {}, {}
    for file in (directory / "datasources").glob("*.yml"):
        for one in yaml.safe_load(file.read_text())["datasources"]:
            datasources[one["uid"]] = one
    for file in (directory / "dashboards").glob("*.yml"):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            for dashboard in Path(provider["options"]["path"]).glob("*.json"):
                text = json.loads(dashboard.read_text())
                dashboards[text["uid"]] = {"dashboard": text}
    return {"datasources": datasources, "dashboards": dashboards}


class _Api(BaseHTTPRequestHandler):
    signed: str
    known: dict[str, dict[str, object]]

    def do_GET(self) -> None:
        if self.path == "/api/health":
            self._answer(200, {"database": "ok"})
            return
        if self.headers["Authorization"] != self.signed:
            self._answer(401, {"message": "Unauthorized"})
            return
        match = re.fullmatch(r"/api/(datasources|dashboards)/uid/(.+)", self.path)
        found = self.known[match[1]].get(match[2]) if match else None
        self._answer(200 if found else 404, found or {"message": "not found"})

    def _answer(self, status: int, what: object) -> None:
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tell nobody."""


def main() -> None:
    """Serve as it is configured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["server"])
    parser.add_argument("--homepath", required=True)
    parser.add_argument("--config", required=True)
    asked = parser.parse_args()
    if not (Path(asked.homepath) / "conf" / "defaults.ini").exists():
        raise SystemExit(f"{asked.homepath} is no home of Grafana")
    settings = _Settings(asked.config)
    user, password = (settings.get("security", key) for key in ("admin_user", "admin_password"))
    _Api.signed = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    _Api.known = _provisioned(settings)
    address = (settings.get("server", "http_addr"), int(settings.get("server", "http_port")))
    ThreadingHTTPServer(address, _Api).serve_forever()


if __name__ == "__main__":
    main()
