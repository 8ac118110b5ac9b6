"""X's filtered stream through a disk journal into Kafka.

The modules in the order of a tweet's way: `config`, `rules`, `x`, `stream`, `journal`, `message`, `sender`;
`service` runs them, `ledger` proves that nothing was lost on the way.
"""
