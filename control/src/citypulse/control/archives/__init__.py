"""Archives: everything that gets installed, fetched once, checked against committed locks, packed into tars.

Reading order: `cache` (what all clones share), `lock` and `tars` (what a good archive is), `jars` (servers,
from Maven poms), `requirements`, `wheels`, `own` and `environments` (services, from pinned requirements),
`debian` (files of packages), `offered` (Grafana, where somebody put it), `manifest` (what the installation
reads), `building` (all of it at once). Beside them: `workshop`, `processes` and `progress` (what a person
sees meanwhile).
"""
