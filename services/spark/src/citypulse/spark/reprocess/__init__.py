"""Windows counted once more, from Kafka or from journals, where the stream could not count them.

`source` (events in batch), `cells` (the job's own definition of a cell, on them), `live` (what is left to the
job), `changes` (cells against rows), `apply` (rows written and removed), `run` (all of it), `due` (the list
of what has to be recounted).

Why nothing races. Every recount has one timestamp, taken before it asks where the topics end, and every row
and every deletion of it carries that timestamp. A window that the job can still write is left alone: it is
closed when the watermark of the job's last committed batch has passed its end. Every batch that wrote such a
window is committed, so its timestamp is older, and an executor that comes late with it changes nothing. Of
two recounts the one that began later has read at least as far in all that was on the list when it began; an
event that came between them is late, is noted by the job, and is recounted after both. A row that is newer
than the recount is left as it is. A deletion hides only what is older than it.
"""
