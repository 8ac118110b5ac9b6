"""An X API v2 look-alike: it replays stored tweets or generates them, as the filtered stream does.

In the order of a tweet's way: `world`, `posts` and `generator` invent it or `files` reads it, `pace` says
when it is due, `delivery` takes it to each connection, where `rulebook` says whether it matches
(`rule_syntax` parses rules, `rule_match` applies them to a `subject`) and `fields` what of it was asked for;
`connection` writes it and `truth` records that. `api` and `problems` are X's endpoints around it, `service`
and `config` the process, `main` the command.
"""
