"""Grafana's dashboards as code: each is a module, `build` writes them as JSON.

`cassandra` (queries and variables as the plugin takes them), `panels` (what every panel has), then the
dashboards: `trends`, `now`.
"""
