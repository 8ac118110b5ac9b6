"""X's filtered stream through a disk journal into Kafka.

The modules in the order of a tweet's way: `config`, `rules`, `x`, `stream`, `journal`, `message`,
`in_flight`, `sender`. `service` runs them, and `ledger` proves that nothing was lost on the way.
"""
