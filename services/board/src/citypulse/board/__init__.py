"""Shows Grafana's dashboards where Grafana is not: the same files, the same queries.

`files` (a dashboard's JSON), `text` (variables within a query), `choice` (what a variable may be), `frames`
(rows as the Cassandra plugin gives them), `panel` (a panel's data).
"""
