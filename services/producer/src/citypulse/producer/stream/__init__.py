"""From X to the journal: `rules` says what is asked of X, `client` talks to it, `streaming` keeps the stream
alive, `backoff` says how long to wait in between.
"""
