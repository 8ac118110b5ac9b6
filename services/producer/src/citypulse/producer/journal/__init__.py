"""The journal: the only queue between X and Kafka, on disk. What it has taken is safe from any process's
death.

On a tweet's way: `segment` draws the file format, `writer` appends, `committer` groups appends of the stream,
`reader` reads in order, `cursor` remembers how far Kafka has acknowledged.

Around it: `files` is the disk, `lock` keeps a second writer out, `owner` says under which name records were
accepted, `upkeep` prunes, `reserve` and `dropped` are for a full disk, `setaside` keeps what could not be
used, and `tools` are for a person.
"""
