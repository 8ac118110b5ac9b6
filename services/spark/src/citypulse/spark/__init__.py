"""Kafka's events become counts per city and window in Cassandra, and the counts are proved.

The files in the order of an event's way: `config`, `session` (Spark), `query` (topics to cells), `names`
(what a city is called), `tables` and `schema.cql` (Cassandra), `writer` (cells to rows, on the executors),
`batch` (one micro-batch), `progress` and `metrics` (what is said about it), `job` (all of it, kept alive).
Then the proof, which shares no counting code with the way: `recount` (tweets from a file, in plain Python),
`stored` (the tables read back), `verify` (both compared), `anchors` (CSV).
"""
