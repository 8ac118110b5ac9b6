"""An X API v2 look-alike: it replays stored tweets or generates them, as the filtered stream does.

In the order of a tweet's way: `world`, `posts` and `generator` invent it, `files` reads it, or `ingest` takes
it from somebody else, `pace` says when it is due, `delivery` takes it to each connection, where `rulebook`
says whether it matches (`rule_syntax` parses rules, `rule_match` applies them to a `subject`) and `fields`
what of it was asked for; `connection` writes it and `truth` records that. `history` keeps what was played,
for backfill and for `search` and `counts` (`recent` is what both share). `api`, `rate_limits`, `problems` and
`answers` are X's endpoints around it, `service` and `config` the process, `main` and `options` the command.

X's faults: `faults` says which there are, `script` and `control` arm them, `fault_book` keeps those in force
(`armed` is one of them) and says whom each befalls, `stream_faults` makes them happen to a connection.
"""
