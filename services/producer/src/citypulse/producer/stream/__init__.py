"""From X to the journal.

`rules` says what is asked of X, `subscription` keeps X's rules that way, `session` and `client` talk to X,
`streaming` keeps the stream alive, `reception` takes what it brings, `control` reads what X says about it,
`backoff` says how long to wait in between, `xclock` knows X's time.
"""
