"""Whose journal it is: the file `producer` holds the name and the run under which its records were accepted.

A producer knows its own messages by its name, which is in the tags of its rules on X: under another name what
waits in the journal would be taken for another's, and passed over. Under another run, gaps and places of
generated tweets would come into live topics.
"""

from pathlib import Path

from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import cursor, files, reserve


def claim(directory: Path, name: str, run: str, end: int) -> None:
    """Take the journal for the producer of that name and run.

    Args:
        directory: of the journal, whose writer the caller is.
        name: of the producer.
        run: its namespace; empty is live.
        end: the sequence after the last record.

    Raises:
        BadInputError: it is of another run, or records of another name wait in it.
        ShortError: the disk has no room for it.
    """
    path = directory / "producer"
    mine = f"{name}\n{run}\n"
    found = files.read(path).decode(errors="replace") if files.exists(path) else ""
    before, *runs = found.splitlines() or [""]
    if runs and runs[0] != run:
        raise BadInputError(
            f"run = {run!r} cannot be: journal.dir = {directory} is of the run {runs[0]!r}; give each run a"
            " journal of its own"
        )
    waiting = end - (cursor.load(directory) or 1)
    if before not in ("", name) and waiting > 0:
        raise BadInputError(
            f"name = {name!r} cannot be: {waiting} messages in journal.dir = {directory} were accepted as"
            f" {before!r} and are not in Kafka yet; start that producer until they are, or give this one a"
            " journal of its own"
        )
    if found == mine:
        return
    try:
        reserve.with_room(directory, lambda: files.replace(path, mine.encode()))
    except OSError as error:
        if files.is_short(error):
            raise ShortError(
                f"journal.dir = {directory} has no room ({error.strerror}): free some"
            ) from error
        raise
