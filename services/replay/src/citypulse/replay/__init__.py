"""An X API v2 look-alike: it replays stored tweets or generates them, and serves them as the filtered stream
does.

In the order of a tweet's way: `world` and `generator` invent it or `files` reads it, `pace` says when it is
due, `delivery` takes it to each connection, where `rulebook` (over `rule_match` and `rule_syntax`) says
whether it matches and `fields` what of it was asked for, `connection` writes it, `truth` records that. `api`
and `problems` are X's endpoints around it, `service` puts the process together, `main` is the command.
"""
