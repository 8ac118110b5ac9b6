"""Whose journal it is: the file `producer` holds the name under which its records were accepted.

A producer knows its own messages by its name, which is in the tags of its rules on X: under another name what
waits in the journal would be taken for another's, and passed over.
"""

from pathlib import Path

from citypulse.producer.errors import BadInputError, ShortError
from citypulse.producer.journal import cursor, files, reserve


def claim(directory: Path, name: str, end: int) -> None:
    """Take the journal for the producer of that name.

    Args:
        directory: of the journal, whose writer the caller is.
        name: of the producer.
        end: the sequence after the last record.

    Raises:
        BadInputError: records of another name wait in it.
        ShortError: the disk has no room for it.
    """
    path = directory / "producer"
    before = files.read(path).decode().strip() if files.exists(path) else ""
    waiting = end - (cursor.load(directory) or 1)
    if before not in ("", name) and waiting > 0:
        raise BadInputError(
            f"name = {name!r} cannot be: {waiting} messages in journal.dir = {directory} were accepted as"
            f" {before!r} and are not in Kafka yet; start that producer until they are, or give this one a"
            " journal of its own"
        )
    if before == name:
        return
    try:
        reserve.with_room(directory, lambda: files.replace(path, name.encode() + b"\n"))
    except OSError as error:
        if files.is_short(error):
            raise ShortError(
                f"journal.dir = {directory} has no room ({error.strerror}): free some"
            ) from error
        raise
