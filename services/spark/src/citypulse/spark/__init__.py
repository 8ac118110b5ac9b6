"""Kafka's events become counts per city and window in Cassandra, and the counts are proved.

In the order of an event's way: `config`, `session` (Spark), `topics` (Kafka), then `counting` with `query`
(topics to cells), `names` (what a city is called), `writer` (cells to rows, on the executors), `batch` (one
micro-batch), `progress` (what is said about it), `job` (all of it, kept alive). `tables` is Cassandra:
connecting, the schema, many statements at once. `rolling` is what a thread makes of the windows: hours, and
cities in order.
What the stream could not count is counted by `reprocess`, from Kafka or journals. `export` writes files.
Then the proof, `verify`, which shares no counting code with the way: `tally` (what counts where, in plain
Python), `records`, `topic` and `against_topic` (the topics), `recount` and `against` (tweets from a file),
`stored` (the tables read back), `compare`, `anchors` (CSV), `explain` (the tweets behind a number).
Shared: `times` and `spans` (what a person means by a span, and rows of one), `kept` (what topics still hold).
"""
