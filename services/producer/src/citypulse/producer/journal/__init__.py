"""The journal: the only queue between X and Kafka, on disk. What it has taken is safe from any process's
death.

`segment` draws the file format, `writer` appends, `committer` groups appends of the stream, `reader` reads in
order, `cursor` remembers how far Kafka has acknowledged, `owner` under which name it was accepted.
"""
