"""What a journal consists of, without reading more of it than the newest segment."""

from pathlib import Path
from typing import Literal

import msgspec

from citypulse.producer.journal import cursor, dropped, files, lock, segment, setaside


class Segment(msgspec.Struct):
    """A file of the journal."""

    name: str
    first: int
    """Sequence of its first record, or of the one that comes."""
    records: int
    bytes: int
    created: int | None
    """Milliseconds since the epoch; None where its header is unsound."""
    written: int
    """When it was last appended to: milliseconds since the epoch."""
    acknowledged: Literal["yes", "partly", "no"]


class Listing(msgspec.Struct):
    """A journal."""

    segments: list[Segment]
    records: int
    bytes: int
    cursor: int | None
    """The first sequence that Kafka has not acknowledged; None where there is no sound cursor."""
    unacknowledged: int
    set_aside: dict[str, int]
    """Entries, by file."""
    dropped: int
    """Messages that were dropped because the journal was full."""
    producer: str | None
    """Process id of the one that writes it."""


def listing(directory: Path) -> Listing:
    """Look at a journal, beside its writer if one runs.

    Raises:
        BadInputError: it is of another format.
    """
    acknowledged = cursor.load(directory)
    segments = []
    listed = segment.paths(directory)
    for position, (first, path) in enumerate(listed):
        try:
            head = segment.read_head(path)
            end = listed[position + 1][0] if position + 1 < len(listed) else _end(first, path)
            segments.append(
                Segment(
                    name=path.name,
                    first=first,
                    records=end - first,
                    bytes=files.size(path),
                    created=head.created if head else None,
                    written=int(files.modified(path) * 1000),
                    acknowledged=_acknowledged(first, end, acknowledged or 0),
                )
            )
        except FileNotFoundError:
            # Pruned meanwhile.
            continue
    end = segments[-1].first + segments[-1].records if segments else 0
    begin = max(segments[0].first, acknowledged or 0) if segments else 0
    return Listing(
        segments=segments,
        records=sum(one.records for one in segments),
        bytes=sum(one.bytes for one in segments),
        cursor=acknowledged,
        unacknowledged=max(end - begin, 0),
        set_aside={name: sum(1 for _ in setaside.entries(directory, name)) for name in setaside.NAMES},
        dropped=sum(span.count for span in dropped.load(directory)),
        producer=lock.holder(directory),
    )


def _end(first: int, path: Path) -> int:
    data = files.read(path)
    start = segment.HEADER_SIZE if segment.parse_header(path, data) else 0
    return segment.last_record(data, start, first - 1)[0] + 1


def _acknowledged(first: int, end: int, cursor: int) -> Literal["yes", "partly", "no"]:
    if end <= cursor:
        return "yes"
    return "partly" if first < cursor else "no"
