"""For a person: `listing`, `verify`, `export` and `repair` of a journal, and `forget`, to which `whose` says
what a message holds of a user. `commands` is their command line.
"""
