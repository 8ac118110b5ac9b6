"""Kafka's events become counts per city and window in Cassandra, and the counts are proved.

In the order of an event's way: `config`, `session` (Spark), `topics` (Kafka), then `counting` with `query`
(topics to cells), `names` (what a city is called), `writer` (cells to rows, on the executors), `batch` (one
micro-batch), `progress` (what is said about it), `job` (all of it, kept alive). `tables` is Cassandra:
connecting, the schema, many statements at once. `rolling` is what a thread makes of the windows: hours, and
cities in order.
Then the proof, `verify`, which shares no counting code with the way: `recount` (tweets from a file, in plain
Python), `stored` (the tables read back), `against` (both compared), `anchors` (CSV).
"""
